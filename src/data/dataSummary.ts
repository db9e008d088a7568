import { z } from "zod";

const counts = z.object({
  documents: z.int().min(1),
  /** Tokens of the stream, one `<|endoftext|>` a document included. */
  tokens: z.int().min(1),
  /** UTF-8 bytes of the text. */
  textBytes: z.int().min(1),
});

/** `data.json`: what a prepared folder was made from and holds. */
export const dataSummarySchema = z.object({
  format: z.literal("mixture-of-depths data"),
  version: z.literal(1),
  sources: z.array(z.string()),
  textColumn: z.string(),
  seed: z.int(),
  validationFraction: z.number(),
  /** A single document is split by position. */
  splitBy: z.enum(["document", "position"]),
  /** Documents without text, which are left out. */
  emptyDocuments: z.int(),
  tokenizer: z.object({
    kind: z.enum(["bytes", "bpe"]),
    vocabSize: z.int(),
    /** SHA-256 of `tokenizer.json`; both token files carry it. */
    hash: z.string(),
    /** Why the vocabulary is smaller than asked for. */
    shortfall: z.string().optional(),
  }),
  train: counts,
  /** With the names of the first documents held out. */
  validation: counts.extend({ names: z.array(z.string()) }),
});

export type DataSummary = Readonly<z.infer<typeof dataSummarySchema>>;
