import { z } from "zod";
import { totalFlops, trainingFlops } from "../flops/flops.ts";
import {
  chosenSchema,
  count,
  ENGINES,
  type EngineName,
  machineSchema,
  missingSchema,
  positive,
  spreadSchema,
} from "./document.ts";
import { MODELS, type Ready, type StepSettings } from "./protocol.ts";
import { modelConfig, SHAPES, type ShapeName } from "./shapes.ts";
import { spread } from "./statistics.ts";

const rowSchema = z.strictObject({
  engine: z.enum(ENGINES),
  model: z.enum(MODELS),
  shape: z.enum(SHAPES),
  batch: count.describe("sequences a step"),
  seqLen: count.describe("tokens a sequence"),
  threads: count,
  settings: chosenSchema,
  version: z.string(),
  stepMs: spreadSchema.describe("forward, backward, clipping, AdamW"),
  forwardBackwardMs: spreadSchema,
  tokensPerSecond: positive.describe("of the median step"),
  gflops: positive.describe("counted training FLOPs over the median step, 1e9 a second; attention as the full square"),
  trainingFlops: count.describe("counted FLOPs of a step"),
  peakMiB: positive.describe("peak resident memory of the process through its first steps"),
  lossNats: z.tuple([z.number(), z.number()]).describe("language-model loss of the first and the third step"),
});
export type BenchRow = z.output<typeof rowSchema>;

const ratiosSchema = z.strictObject({ step: positive, forwardBackward: positive });

const overPeersSchema = z.strictObject({
  fastestPeer: z.enum(ENGINES).describe("the peer of the smallest median"),
  overFastest: positive.describe("its median over ours: above 1, ours is faster"),
  overPyTorch113: positive.nullable().describe("the median of pytorch-1.13 over ours; null where it is missing"),
});

const speedupsSchema = z.strictObject({
  overDense: z.array(
    z.strictObject({
      engine: z.enum(ENGINES),
      shape: z.enum(SHAPES),
      model: z.enum(MODELS),
      ...ratiosSchema.shape,
      flops: positive.describe("counted training FLOPs of dense over those of the model"),
      shareOfFlops: ratiosSchema.describe("measured over counted"),
    }),
  ),
  oursOverPeers: z.array(
    z.strictObject({
      shape: z.enum(SHAPES),
      model: z.enum(MODELS),
      step: overPeersSchema,
      forwardBackward: overPeersSchema,
    }),
  ),
});
export type Speedups = z.output<typeof speedupsSchema>;
export type OverPeers = z.output<typeof overPeersSchema>;

/** What `mod bench train --json` prints. */
export const trainBenchSchema = z.strictObject({
  machine: machineSchema,
  commit: z.string().nullable(),
  rows: z.array(rowSchema),
  missing: z.array(missingSchema).describe("engines, or single rows of one, that could not be measured"),
  speedups: speedupsSchema,
});
export type TrainBench = z.output<typeof trainBenchSchema>;

/** What was measured of one engine with one model of one shape. */
export interface Measured {
  readonly engine: EngineName;
  readonly shape: ShapeName;
  readonly settings: StepSettings;
  readonly chosen?: Readonly<Record<string, string>>;
  readonly ready: Ready;
  readonly stepMs: readonly number[];
  readonly forwardBackwardMs: readonly number[];
}

/** A row of the document: times summed up, and speeds of the median step. */
export function benchRow({ engine, shape, settings, chosen = {}, ready, ...times }: Measured): BenchRow {
  const { model, batch, seqLen } = settings;
  const flops = totalFlops(trainingFlops(modelConfig(settings))) * batch;
  const stepMs = spread(times.stepMs);
  return {
    ...{ engine, model, shape, batch, seqLen, threads: ready.threads },
    ...(Object.keys(chosen).length > 0 && { settings: { ...chosen } }),
    version: ready.version,
    stepMs,
    forwardBackwardMs: spread(times.forwardBackwardMs),
    tokensPerSecond: (1000 * batch * seqLen) / stepMs.median,
    gflops: flops / stepMs.median / 1e6,
    trainingFlops: flops,
    peakMiB: ready.peakMiB,
    lossNats: [...ready.losses],
  };
}
