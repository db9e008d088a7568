/** What `mod bench sample` and a process that measures one row say to each other; how they talk is in worker.ts. */
import { z } from "zod";
import { WEIGHT_FORMATS } from "../model/weights.ts";
import { count, positive } from "./document.ts";
import { MODELS } from "./protocol.ts";

/** The model, the sequences and how to run: the one argument. */
export const sampleSettingsSchema = z.strictObject({
  model: z.enum(MODELS),
  vocabSize: count,
  seqLen: count.describe("longest context"),
  nLayer: count,
  dModel: count,
  nHead: count,
  dMlp: count,
  capacityRatio: positive.max(1).describe("share of the tokens that a routed block computes; 1 in a dense model"),
  batch: count.describe("sequences at once"),
  prompt: count.describe("tokens of each prompt"),
  tokens: z.int().min(2).describe("new tokens of each sequence; the prompt's pass gives the first"),
  threads: count,
  weights: z.enum(WEIGHT_FORMATS),
});
export type SampleSettings = z.output<typeof sampleSettingsSchema>;

/** Said once the process is warm. */
export const sampleReadySchema = z.object({ version: z.string(), threads: count });
export type SampleReady = z.output<typeof sampleReadySchema>;

/** The answer to `trial`: time of each token step of a short generation. */
export const trialSchema = z.object({ stepMs: z.array(positive).min(1) });

/** Steps of a segment: rows take turns with so many, so that a machine whose speed drifts is the same one for all of them. */
export const SEGMENT_STEPS = 32;

/**
 * The answer to `segment`: the next steps of a generation, which begins with all prompts where there is none under way. A step is
 * one more token of each sequence, the most likely.
 */
export const segmentSchema = z.object({
  firstTokenMs: positive
    .nullable()
    .describe("until every sequence has its first new token; of a generation's first segment"),
  stepMs: z.array(positive).min(1).describe("time of each step; the same steps each time that a row generates"),
  isLast: z.boolean().describe("of its generation"),
  kvMiB: positive.describe("allocated for keys and values"),
  routedRows: z
    .array(z.int().min(0))
    .describe("how often, over steps and routed blocks, a block computed 0, 1, ... sequences; empty in a dense model"),
});
export type Segment = z.output<typeof segmentSchema>;

/** The answer to `products`, which this package alone is asked: the time that matrix products alone take. */
export const productTimesSchema = z.object({
  rows: z.array(count).min(1).describe("rows that products were timed at, ascending"),
  denseMs: z.array(positive).describe("all products of the dense model's token step, at each number of rows"),
});
export type ProductTimes = z.output<typeof productTimesSchema>;

export const SAMPLE_QUESTIONS = ["trial", "segment", "products"] as const;
export type SampleQuestion = (typeof SAMPLE_QUESTIONS)[number];
