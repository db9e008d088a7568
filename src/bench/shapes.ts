import { derived, type ModelConfig, modelSchema } from "../model/config.ts";
import type { ModelName, StepSettings } from "./protocol.ts";

/** What is measured, as layers x width; `tiny` takes a second and measures little but overhead. */
export const SHAPES = ["8x256", "8x512", "tiny"] as const;
export type ShapeName = (typeof SHAPES)[number];

type Size = Pick<StepSettings, "vocabSize" | "seqLen" | "nLayer" | "dModel" | "nHead" | "batch">;

const SIZES: Readonly<Record<ShapeName, Size>> = {
  "8x256": { batch: 8, seqLen: 256, nLayer: 8, dModel: 256, nHead: 4, vocabSize: 4096 },
  "8x512": { batch: 2, seqLen: 1024, nLayer: 8, dModel: 512, nHead: 8, vocabSize: 4096 },
  tiny: { batch: 2, seqLen: 32, nLayer: 2, dModel: 32, nHead: 2, vocabSize: 64 },
};

/** Sequences a step and tokens a sequence, where they are not the shape's own. */
export interface SizeOverrides {
  readonly batch?: number | undefined;
  readonly seqLen?: number | undefined;
}

/** What a process is told that measures a model of a shape. */
export function settingsOf(
  shape: ShapeName,
  model: ModelName,
  threads: number,
  { batch = SIZES[shape].batch, seqLen = SIZES[shape].seqLen }: SizeOverrides = {},
): StepSettings {
  const size = { ...SIZES[shape], batch, seqLen };
  const config = modelConfig({ ...size, model });
  const { dMlp, capacity } = derived(config);
  const predictorWidth = (config.routing.kind === "learned" && config.routing.predictor?.width) || 0;
  return { ...size, model, dMlp, capacity, predictorWidth, threads, compile: false };
}

/** The model that settings describe; all that they leave open is as by default. */
export function modelConfig({
  model,
  ...size
}: Pick<StepSettings, "model" | "vocabSize" | "seqLen" | "nLayer" | "dModel" | "nHead">): ModelConfig {
  const { vocabSize, seqLen, nLayer, dModel, nHead } = size;
  const shape = { vocabSize, seqLen, nLayer, dModel, nHead };
  return modelSchema.parse(
    model === "dense" ? shape : { ...shape, pattern: ["dense", "mod"], routing: { kind: "learned" } },
  );
}
