/**
 * The format of a token file, `*.tokens`. All numbers are little-endian.
 *
 *     offset  size  field
 *     0       8     magic "MODTOKEN"
 *     8       4     version, 1
 *     12      4     bits of an id, 16 or 32
 *     16      4     vocabulary size
 *     20      4     id of <|endoftext|>
 *     24      8     n: tokens, one <|endoftext|> a document included
 *     32      8     m: documents
 *     40      8     text bytes
 *     48      32    SHA-256 of the tokenizer
 *     80      48    zero
 *     128           n ids: for each document <|endoftext|>, then its tokens
 *                   zero to a multiple of 8
 *                   m 64-bit integers: the position, in tokens, of each document's <|endoftext|>
 *
 * The index of documents comes after the ids because its size is known last; its place follows from n and the bits.
 */

export interface TokenFileHeader {
  readonly bits: 16 | 32;
  readonly vocabSize: number;
  readonly endOfText: number;
  /** Tokens of the stream, one `<|endoftext|>` a document included. */
  readonly tokens: number;
  readonly documents: number;
  /** UTF-8 bytes of the documents' text. */
  readonly textBytes: number;
  /** SHA-256 in hexadecimal. */
  readonly tokenizerHash: string;
}

export const HEADER_BYTES = 128;
export const INDEX_ENTRY_BYTES = 8;
const MAGIC = "MODTOKEN";
const VERSION = 1;

/** Bits that ids of a vocabulary need. */
export function bitsFor(vocabSize: number): 16 | 32 {
  return vocabSize <= 0x10000 ? 16 : 32;
}

/** Byte position of a token. */
export function tokenOffset(header: Pick<TokenFileHeader, "bits">, token: number): number {
  return HEADER_BYTES + token * (header.bits / 8);
}

/** Byte position of the index of documents. */
export function indexOffset(header: Pick<TokenFileHeader, "bits" | "tokens">): number {
  return Math.ceil(tokenOffset(header, header.tokens) / INDEX_ENTRY_BYTES) * INDEX_ENTRY_BYTES;
}

/** Bytes of the whole file. */
export function fileBytes(header: TokenFileHeader): number {
  return indexOffset(header) + header.documents * INDEX_ENTRY_BYTES;
}

export function encodeHeader(header: TokenFileHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(header.bits, 12);
  bytes.writeUInt32LE(header.vocabSize, 16);
  bytes.writeUInt32LE(header.endOfText, 20);
  bytes.writeBigUInt64LE(BigInt(header.tokens), 24);
  bytes.writeBigUInt64LE(BigInt(header.documents), 32);
  bytes.writeBigUInt64LE(BigInt(header.textBytes), 40);
  bytes.write(header.tokenizerHash, 48, "hex");
  return bytes;
}

/** Reads a header; `file` names the file in errors. */
export function decodeHeader(bytes: Buffer, file: string): TokenFileHeader {
  if (bytes.length < HEADER_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) {
    throw new Error(`TokenFile: ${file} is no token file: it does not start with ${MAGIC}; prepare the data again`);
  }
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION) {
    throw new Error(
      `TokenFile: ${file} must have version ${VERSION}, got ${version}; prepare the data with this program`,
    );
  }
  const bits = bytes.readUInt32LE(12);
  const header = {
    vocabSize: bytes.readUInt32LE(16),
    endOfText: bytes.readUInt32LE(20),
    tokens: Number(bytes.readBigUInt64LE(24)),
    documents: Number(bytes.readBigUInt64LE(32)),
    textBytes: Number(bytes.readBigUInt64LE(40)),
    tokenizerHash: bytes.toString("hex", 48, 80),
  };
  const sound = header.documents <= header.tokens && header.endOfText < header.vocabSize;
  if ((bits !== 16 && bits !== 32) || !sound) {
    throw new Error(
      `TokenFile: ${file} has a damaged header: ${JSON.stringify({ bits, ...header })}; prepare the data again`,
    );
  }
  return { bits, ...header };
}
