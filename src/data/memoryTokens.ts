import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import type { TokenStream } from "./tokenStream.ts";

/** A stream of tokens in memory, 4 bytes each. */
export class MemoryTokens implements TokenStream {
  readonly path: string;
  readonly endOfText: number;
  readonly textBytes: number;
  readonly #ids: Int32Array;
  /** Position of each document's `<|endoftext|>`. */
  readonly #starts: Float64Array;

  private constructor(path: string, endOfText: number, ids: Int32Array, starts: Float64Array, textBytes: number) {
    this.path = path;
    this.endOfText = endOfText;
    this.#ids = ids;
    this.#starts = starts;
    this.textBytes = textBytes;
  }

  /** Encodes texts, each as a document. `path` is what errors call them. */
  static of(texts: readonly string[], tokenizer: Tokenizer, path: string): MemoryTokens {
    const documents = texts.map((text) => tokenizer.encode(text));
    const ids = new Int32Array(documents.reduce((total, { length }) => total + 1 + length, 0));
    const starts = new Float64Array(documents.length);
    let at = 0;
    for (const [i, document] of documents.entries()) {
      starts[i] = at;
      ids[at] = tokenizer.endOfText;
      ids.set(document, at + 1);
      at += 1 + document.length;
    }
    const encoder = new TextEncoder();
    const textBytes = texts.reduce((total, text) => total + encoder.encode(text).length, 0);
    return new MemoryTokens(path, tokenizer.endOfText, ids, starts, textBytes);
  }

  get tokens(): number {
    return this.#ids.length;
  }

  get documents(): number {
    return this.#starts.length;
  }

  readInto(target: Int32Array, at: number, start: number, count: number): void {
    this.#check("tokens", start, count, this.tokens);
    target.set(this.#ids.subarray(start, start + count), at);
  }

  read(start: number, count: number): Int32Array {
    this.#check("tokens", start, count, this.tokens);
    return this.#ids.slice(start, start + count);
  }

  documentStarts(first: number, count: number): Float64Array {
    this.#check("documents", first, count, this.documents);
    return this.#starts.slice(first, first + count);
  }

  #check(what: string, start: number, count: number, limit: number): void {
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(count);
    if (whole && start >= 0 && count >= 0 && start + count <= limit) return;
    throw new RangeError(`MemoryTokens: ${what} must lie in [0, ${limit}), got ${count} from ${start} in ${this.path}`);
  }
}
