import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/**
 * Documents one after the other as token ids, each after `<|endoftext|>`: a file that is read by position (`TokenFile`), or
 * memory (`MemoryTokens`).
 */
export interface TokenStream {
  /** What errors call it. */
  readonly path: string;
  readonly endOfText: number;
  /** Tokens of the stream, one `<|endoftext|>` a document included. */
  readonly tokens: number;
  readonly documents: number;
  /** UTF-8 bytes of the documents' text. */
  readonly textBytes: number;
  /** Copies the ids of positions [start, start + count) to `target`, from its index `at` on. */
  readInto(target: Int32Array, at: number, start: number, count: number): void;
  /** The ids of positions [start, start + count). */
  read(start: number, count: number): Int32Array;
  /** Positions of the `<|endoftext|>` that start the documents [first, first + count). */
  documentStarts(first: number, count: number): Float64Array;
}

/** What a run trains on. */
export interface TrainingData {
  readonly tokenizer: Tokenizer;
  readonly tokenizerHash: string;
  readonly train: TokenStream;
  readonly validation: TokenStream;
}
