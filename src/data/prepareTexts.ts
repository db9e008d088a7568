import type { Document } from "./document.ts";
import { MemoryTokens } from "./memoryTokens.ts";
import { DEFAULT_VALIDATION_FRACTION, type Part, SplitTally } from "./split.ts";
import { ByteTokenizer } from "./tokenizer/byteTokenizer.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import { type MergingProgress, trainBpe } from "./tokenizer/trainBpe.ts";
import { tokenizerHash } from "./tokenizerHash.ts";
import type { TrainingData } from "./tokenStream.ts";

export interface PrepareTextsOptions {
  /** To be trained on the training part, or there already. */
  readonly tokenizer: { readonly kind: "bytes" } | { readonly kind: "bpe"; readonly vocabSize: number } | Tokenizer;
  /** 0.05 by default. */
  readonly validationFraction?: number;
  /** Seed of the split; 0 by default. */
  readonly seed?: number;
  readonly onProgress?: (progress: MergingProgress) => void;
}

/**
 * What `prepareData` makes of files, of texts in memory: the same split, the same tokenizer, the same tokens. A folder of files
 * is read in the order of their names, so these documents are too.
 *
 * @throws where no document has text, or the text is too little to be split
 */
export async function prepareTexts(
  documents: readonly Document[],
  options: PrepareTextsOptions,
): Promise<TrainingData> {
  const { validationFraction = DEFAULT_VALIDATION_FRACTION, seed = 0, onProgress } = options;
  const parts = split(documents, { seed, validationFraction });
  const tokenizer = await tokenizerOf(options.tokenizer, parts.train, onProgress);
  return {
    tokenizer,
    tokenizerHash: tokenizerHash(tokenizer),
    train: MemoryTokens.of(parts.train, tokenizer, "the training text"),
    validation: MemoryTokens.of(parts.validation, tokenizer, "the validation text"),
  };
}

function split(
  documents: readonly Document[],
  rule: { readonly seed: number; readonly validationFraction: number },
): Record<Part, string[]> {
  const byName = (a: Document, b: Document) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const filled = documents.filter(({ text }) => text !== "").sort(byName);
  const tally = new SplitTally(rule);
  for (const { name } of filled) tally.add(name);
  const plan = tally.plan();
  const texts: Record<Part, string[]> = { train: [], validation: [] };
  for (const [i, document] of filled.entries()) {
    for (const { part, document: piece } of plan.partsOf(i, document)) texts[part].push(piece.text);
  }
  return texts;
}

async function tokenizerOf(
  choice: PrepareTextsOptions["tokenizer"],
  texts: readonly string[],
  onProgress: PrepareTextsOptions["onProgress"],
): Promise<Tokenizer> {
  if ("encode" in choice) return choice;
  if (choice.kind === "bytes") return new ByteTokenizer();
  const { tokenizer } = await trainBpe(texts, {
    vocabSize: choice.vocabSize,
    onProgress: (progress) => {
      if (progress.phase === "merging") onProgress?.(progress);
    },
  });
  return tokenizer;
}
