import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { syncFolder } from "../files/atomic.ts";
import {
  bitsFor,
  encodeHeader,
  HEADER_BYTES,
  indexOffset,
  type TokenFileHeader,
  tokenOffset,
} from "./tokenFileHeader.ts";

export interface TokenFileWriterOptions {
  readonly vocabSize: number;
  readonly endOfText: number;
  /** SHA-256 in hexadecimal. */
  readonly tokenizerHash: string;
}

const BUFFER_BYTES = 1 << 20;

/**
 * Writes a token file document by document. The file appears under its name in `finish`, whole and synced to disk;
 * until then the bytes go to `<file>.partial-<process>`. Memory holds a megabyte and 8 bytes a document.
 */
export class TokenFileWriter {
  readonly path: string;
  readonly #partial: string;
  readonly #handle: number;
  readonly #options: TokenFileWriterOptions;
  readonly #bits: 16 | 32;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  readonly #documentStarts: number[] = [];
  #buffered = 0;
  #position = HEADER_BYTES;
  #tokens = 0;
  #textBytes = 0;
  #open = true;

  constructor(file: string, options: TokenFileWriterOptions) {
    if (!/^[0-9a-f]{64}$/.test(options.tokenizerHash)) {
      throw new Error(`TokenFileWriter: tokenizerHash must be 64 hexadecimal digits, got "${options.tokenizerHash}"`);
    }
    this.path = file;
    this.#partial = `${file}.partial-${process.pid}`;
    this.#options = options;
    this.#bits = bitsFor(options.vocabSize);
    this.#handle = openSync(this.#partial, "w");
  }

  #flush(): void {
    for (let done = 0; done < this.#buffered; ) {
      done += writeSync(this.#handle, this.#buffer, done, this.#buffered - done, this.#position + done);
    }
    this.#position += this.#buffered;
    this.#buffered = 0;
  }

  #put(id: number): void {
    if (this.#buffered === BUFFER_BYTES) this.#flush();
    if (this.#bits === 16) this.#buffered = this.#buffer.writeUInt16LE(id, this.#buffered);
    else this.#buffered = this.#buffer.writeUInt32LE(id, this.#buffered);
    this.#tokens++;
  }

  /** Adds `<|endoftext|>` and the tokens of a document, whose text has `textBytes` bytes of UTF-8. */
  addDocument(ids: ArrayLike<number>, textBytes: number): void {
    const { vocabSize, endOfText } = this.#options;
    this.#documentStarts.push(this.#tokens);
    this.#textBytes += textBytes;
    this.#put(endOfText);
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!(id >= 0 && id < vocabSize) || id === endOfText) {
        const rule = `ids of a document must lie in [0, ${vocabSize}) and not be endOfText ${endOfText}`;
        throw new Error(`TokenFileWriter: ${rule}, got ${id} in ${this.path}; encode the text with the same tokenizer`);
      }
      this.#put(id);
    }
  }

  #writeIndex(header: TokenFileHeader): void {
    const padding = indexOffset(header) - tokenOffset(header, header.tokens);
    this.#buffer.fill(0, 0, padding);
    this.#buffered = padding;
    this.#flush();
    for (const start of this.#documentStarts) {
      if (this.#buffered === BUFFER_BYTES) this.#flush();
      this.#buffered = this.#buffer.writeBigUInt64LE(BigInt(start), this.#buffered);
    }
    this.#flush();
  }

  /** Writes the index and the header, and gives the file its name. */
  finish(): TokenFileHeader {
    const header: TokenFileHeader = {
      ...this.#options,
      bits: this.#bits,
      tokens: this.#tokens,
      documents: this.#documentStarts.length,
      textBytes: this.#textBytes,
    };
    this.#flush();
    this.#writeIndex(header);
    writeSync(this.#handle, encodeHeader(header), 0, HEADER_BYTES, 0);
    fsyncSync(this.#handle);
    closeSync(this.#handle);
    this.#open = false;
    renameSync(this.#partial, this.path);
    syncFolder(path.dirname(this.path));
    return header;
  }

  /** Gives up: removes what was written. Does nothing after `finish`. */
  abort(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#handle);
    rmSync(this.#partial, { force: true });
  }
}
