/**
 * What `mod bench train` and a process that measures one row say to each other. The process gets one JSON argument, warms up with
 * three steps, prints `Ready` as one line of JSON, then answers each line of its input, a `Question`, with one line of JSON.
 */
import { z } from "zod";

/** What there is in other frameworks too: the vanilla transformer, and Mixture-of-Depths in every other block at 12.5 %. */
export const PEER_MODELS = ["dense", "mod"] as const;

/**
 * And this package's experts, eight as wide as the MLP in every other block, of which a token takes one: ordinary ones, in a routed block
 * (staged), and beside eight no-op experts (integrated).
 */
export const MODELS = [...PEER_MODELS, "moe", "mode", "mode-integrated"] as const;
export type ModelName = (typeof MODELS)[number];

/** Whether peers have the model too. */
export const isPeerModel = (model: ModelName): boolean => (PEER_MODELS as readonly ModelName[]).includes(model);

const count = z.int().min(1);

/** The model, the batch and how to run: the one argument. */
export const stepSettingsSchema = z.strictObject({
  model: z.enum(MODELS),
  vocabSize: count,
  seqLen: count,
  nLayer: count,
  dModel: count,
  nHead: count,
  dMlp: count,
  batch: count.describe("sequences a step"),
  capacity: count.describe("tokens of a sequence that a routed block computes; all in a dense model"),
  predictorWidth: z.int().min(0).describe("hidden width of the predictor; 0 for none"),
  threads: count,
  compile: z.boolean().describe("torch.compile instead of eager PyTorch"),
});
export type StepSettings = z.output<typeof stepSettingsSchema>;

/**
 * Said once the process is warm: `losses` are the language model's, in nats, of its first and its third step; `peakMiB` is its
 * peak memory so far, before a forward and backward pass by itself, for which an engine may hold a graph of its own.
 */
export const readySchema = z.object({
  version: z.string(),
  threads: count,
  losses: z.tuple([z.number(), z.number()]),
  peakMiB: z.number().gt(0),
});
export type Ready = z.output<typeof readySchema>;

export const timeSchema = z.object({ ms: z.number().gt(0) });

/** Each is answered with the time of one. */
export const QUESTIONS = ["step", "forwardBackward"] as const;
export type Question = (typeof QUESTIONS)[number];

/** Id of token i of the batch, in row-major order: all engines train on the same batch, its tokens being their own targets. */
export const tokenAt = (i: number, vocabSize: number): number => (i * 7919) % vocabSize;
