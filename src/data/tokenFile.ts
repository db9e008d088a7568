import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { endianness } from "node:os";
import {
  decodeHeader,
  fileBytes,
  HEADER_BYTES,
  INDEX_ENTRY_BYTES,
  indexOffset,
  type TokenFileHeader,
  tokenOffset,
} from "./tokenFileHeader.ts";
import type { TokenStream } from "./tokenStream.ts";

/** Tokens read from disk at once. */
const CHUNK_TOKENS = 1 << 18;

/**
 * A token file, read by position: memory holds two megabytes whatever the size of the file. The format is in
 * `tokenFileHeader.ts`, the writer in `tokenFileWriter.ts`.
 */
export class TokenFile implements TokenStream {
  readonly path: string;
  readonly vocabSize: number;
  readonly endOfText: number;
  /** Tokens of the stream, one `<|endoftext|>` a document included. */
  readonly tokens: number;
  readonly documents: number;
  /** UTF-8 bytes of the documents' text. */
  readonly textBytes: number;
  readonly tokenizerHash: string;
  readonly #header: TokenFileHeader;
  readonly #handle: number;
  #scratch = Buffer.alloc(0);
  #open = true;

  private constructor(path: string, handle: number, header: TokenFileHeader) {
    this.path = path;
    this.#handle = handle;
    this.#header = header;
    this.vocabSize = header.vocabSize;
    this.endOfText = header.endOfText;
    this.tokens = header.tokens;
    this.documents = header.documents;
    this.textBytes = header.textBytes;
    this.tokenizerHash = header.tokenizerHash;
  }

  /** Opens a token file and checks that it is whole. Throws for foreign and truncated files. */
  static open(path: string): TokenFile {
    if (endianness() !== "LE")
      throw new Error("TokenFile: token files are read on little-endian machines only, got BE");
    const handle = openSync(path, "r");
    try {
      const bytes = Buffer.alloc(HEADER_BYTES);
      const header = decodeHeader(bytes.subarray(0, readSync(handle, bytes, 0, HEADER_BYTES, 0)), path);
      const { size } = fstatSync(handle);
      if (size !== fileBytes(header)) {
        throw new Error(`TokenFile: ${path} must have ${fileBytes(header)} bytes, got ${size}; prepare the data again`);
      }
      return new TokenFile(path, handle, header);
    } catch (error) {
      closeSync(handle);
      throw error;
    }
  }

  /** `length` bytes from `position` on, in a buffer that the next call reuses. */
  #bytes(position: number, length: number): Buffer {
    if (!this.#open) throw new Error(`TokenFile: ${this.path} is closed; open it again`);
    if (this.#scratch.length < length) this.#scratch = Buffer.from(new ArrayBuffer(length));
    for (let done = 0; done < length; ) {
      const count = readSync(this.#handle, this.#scratch, done, length - done, position + done);
      if (count === 0)
        throw new Error(`TokenFile: ${this.path} ends before byte ${position + length}; it was truncated`);
      done += count;
    }
    return this.#scratch.subarray(0, length);
  }

  #checkRange(what: string, start: number, count: number, limit: number): void {
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(count);
    if (!whole || start < 0 || count < 0 || start + count > limit) {
      throw new RangeError(`TokenFile: ${what} must lie in [0, ${limit}), got ${count} from ${start} in ${this.path}`);
    }
  }

  /** Copies the ids of positions [start, start + count) to `target`, from its index `at` on. */
  readInto(target: Int32Array, at: number, start: number, count: number): void {
    this.#checkRange("tokens", start, count, this.tokens);
    const idBytes = this.#header.bits / 8;
    for (let done = 0; done < count; ) {
      const some = Math.min(CHUNK_TOKENS, count - done);
      const { buffer } = this.#bytes(tokenOffset(this.#header, start + done), some * idBytes);
      target.set(idBytes === 2 ? new Uint16Array(buffer, 0, some) : new Uint32Array(buffer, 0, some), at + done);
      done += some;
    }
  }

  /** The ids of positions [start, start + count). */
  read(start: number, count: number): Int32Array {
    this.#checkRange("tokens", start, count, this.tokens);
    const ids = new Int32Array(count);
    this.readInto(ids, 0, start, count);
    return ids;
  }

  /** Positions of the `<|endoftext|>` that start the documents [first, first + count). */
  documentStarts(first: number, count: number): Float64Array {
    this.#checkRange("documents", first, count, this.documents);
    const starts = new Float64Array(count);
    for (let done = 0; done < count; ) {
      const some = Math.min(CHUNK_TOKENS, count - done);
      const position = indexOffset(this.#header) + (first + done) * INDEX_ENTRY_BYTES;
      const { buffer } = this.#bytes(position, some * INDEX_ENTRY_BYTES);
      const entries = new BigUint64Array(buffer, 0, some);
      for (let i = 0; i < some; i++) starts[done + i] = Number(entries[i]!);
      done += some;
    }
    return starts;
  }

  /** The tokens of a document are the positions [start, end); the first is its `<|endoftext|>`. */
  documentRange(document: number): { start: number; end: number } {
    this.#checkRange("documents", document, 1, this.documents);
    const last = document + 1 === this.documents;
    const [start, next] = this.documentStarts(document, last ? 1 : 2);
    return { start: start!, end: next ?? this.tokens };
  }

  /** The ids of a document's text, without its `<|endoftext|>`. */
  documentTokens(document: number): Int32Array {
    const { start, end } = this.documentRange(document);
    return this.read(start + 1, end - start - 1);
  }

  close(): void {
    if (this.#open) closeSync(this.#handle);
    this.#open = false;
  }
}
