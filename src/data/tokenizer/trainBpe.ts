import { BpeTokenizer } from "./bpeTokenizer.ts";
import { countPieces, type ReadingProgress } from "./countPieces.ts";
import { learnMerges } from "./learnMerges.ts";
import { END_OF_TEXT } from "./tokenizer.ts";

/** Tokens made so far, bytes included, of those wanted. */
export interface MergingProgress {
  readonly phase: "merging";
  readonly tokens: number;
  readonly tokensWanted: number;
}

export type TrainBpeProgress = ReadingProgress | MergingProgress;

export interface TrainBpeOptions {
  /** Bytes, merged tokens and special tokens together. */
  readonly vocabSize: number;
  /** They take the last ids, in this order. */
  readonly specialTokens?: readonly string[];
  readonly onProgress?: (progress: TrainBpeProgress) => void;
}

export interface TrainBpeResult {
  readonly tokenizer: BpeTokenizer;
  /** Different pre-tokenised pieces the text has. */
  readonly distinctPieces: number;
  /** Why the vocabulary is smaller than asked for; `undefined` where it is not. */
  readonly shortfall?: string;
}

/** Throws unless a vocabulary of this size and with these special tokens can be trained. */
export function checkVocabulary(vocabSize: number, specialTokens: readonly string[] = [END_OF_TEXT]): void {
  const least = 256 + specialTokens.length;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > 2 ** 20) {
    throw new RangeError(
      `trainBpe: vocabSize must be an integer in [${least}, ${2 ** 20}] (256 bytes + ${specialTokens.length} special ` +
        `tokens at least), got ${vocabSize}; 4096 suits some 10 MB of text`,
    );
  }
  if (new Set(specialTokens).size < specialTokens.length || specialTokens.some((name) => name.length < 2)) {
    throw new Error(
      `trainBpe: special tokens must be distinct and of two or more characters, got ${JSON.stringify(specialTokens)}`,
    );
  }
}

/**
 * Trains a byte-level BPE tokenizer with GPT-2's pre-tokenisation. The texts are read once and not kept; the result
 * depends on them alone, not on their order while they hold fewer than 4 million distinct pieces.
 *
 * A text with too few pairs that occur twice gives a smaller vocabulary, and `shortfall` says so.
 */
export async function trainBpe(
  texts: AsyncIterable<string> | Iterable<string>,
  options: TrainBpeOptions,
): Promise<TrainBpeResult> {
  const { vocabSize, specialTokens = [END_OF_TEXT], onProgress } = options;
  checkVocabulary(vocabSize, specialTokens);
  const counts = await countPieces(texts, onProgress);
  const tokensWanted = vocabSize - specialTokens.length;
  const { merges, tokens } = learnMerges(counts, tokensWanted, specialTokens, (made) => {
    onProgress?.({ phase: "merging", tokens: made, tokensWanted });
  });
  const special = new Map(specialTokens.map((name, i) => [name, tokens.length + i]));
  const all = [...tokens, ...specialTokens.map(() => new Uint8Array(0))];
  const tokenizer = new BpeTokenizer({ tokens: all, merges, specialTokens: special });
  if (all.length === vocabSize) return { tokenizer, distinctPieces: counts.size };
  const shortfall =
    `trainBpe: the vocabulary has ${all.length} tokens instead of ${vocabSize}: no further pair of tokens occurs ` +
    "twice in the text; give more text or ask for fewer";
  return { tokenizer, distinctPieces: counts.size, shortfall };
}
