/**
 * What every tokenizer of this project does. The files of this folder touch neither Node nor the DOM, so that a
 * browser can run them.
 */

/** The special token at the start of each document. */
export const END_OF_TEXT = "<|endoftext|>";

export interface DecodeOptions {
  /** Write special tokens as their names (`<|endoftext|>`); without it they yield nothing. */
  readonly specialTokens?: boolean;
}

export interface Tokenizer {
  readonly kind: "bytes" | "bpe";
  /** Ids are integers in [0, vocabSize). */
  readonly vocabSize: number;
  /** Id of the token that starts a document. */
  readonly endOfText: number;
  /**
   * Ids of a text. Special tokens never come from text: `<|endoftext|>` in it is ordinary characters.
   * A lone surrogate, which has no UTF-8 form, is read as U+FFFD; every other string comes back from `decode`.
   */
  encode(text: string): Uint32Array;
  /** Ids of any byte string, invalid UTF-8 included; `decodeBytes` gives the same bytes back. */
  encodeBytes(bytes: Uint8Array): Uint32Array;
  /** The bytes of the tokens, one after the other. */
  decodeBytes(ids: ArrayLike<number>, options?: DecodeOptions): Uint8Array;
  /** The text of the tokens; bytes that are no valid UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** The bytes a token stands for; none for special tokens, which are no part of the text. */
  tokenBytes(id: number): Uint8Array;
  /** The Hugging Face `tokenizer.json` of this tokenizer; `tokenizerFromJson` reads it back. */
  toJson(): object;
}

/**
 * Text bytes of each token, [V]: bits per byte = nats / (ln 2 · sum of `lengths[target]`).
 * Special tokens have 0.
 */
export function tokenByteLengths(tokenizer: Tokenizer): Int32Array {
  return Int32Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenBytes(id).length);
}

/** Bytes of the tokens one after the other; `bytesOf` gives those of one. */
export function joinTokenBytes(ids: ArrayLike<number>, bytesOf: (id: number) => Uint8Array): Uint8Array {
  let length = 0;
  for (let i = 0; i < ids.length; i++) length += bytesOf(ids[i]!).length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < ids.length; i++) {
    const bytes = bytesOf(ids[i]!);
    joined.set(bytes, at);
    at += bytes.length;
  }
  return joined;
}

/** Throws unless `id` is a token of the tokenizer. */
export function checkTokenId(id: number, vocabSize: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
    throw new RangeError(
      `tokenizer: token ids are integers in [0, ${vocabSize}), got ${id}; the ids come from another tokenizer`,
    );
  }
}
