import { derived, type ModelConfig, type ModelInput, modelSchema } from "../model/config.ts";
import type { ModelName, StepSettings } from "./protocol.ts";
import type { SampleSettings } from "./sampleProtocol.ts";

type Architecture = Pick<StepSettings, "vocabSize" | "nLayer" | "dModel" | "nHead">;

/** Models by layers x width; `tiny` takes a second and measures little but overhead. */
const ARCHITECTURES = {
  "8x256": { nLayer: 8, dModel: 256, nHead: 4, vocabSize: 4096 },
  "8x512": { nLayer: 8, dModel: 512, nHead: 8, vocabSize: 4096 },
  "12x768": { nLayer: 12, dModel: 768, nHead: 12, vocabSize: 4096 },
  tiny: { nLayer: 2, dModel: 32, nHead: 2, vocabSize: 64 },
} as const satisfies Record<string, Architecture>;

/** Shapes whose training steps are measured. */
export const SHAPES = ["8x256", "8x512", "tiny"] as const;
export type ShapeName = (typeof SHAPES)[number];

const BATCHES: Readonly<Record<ShapeName, Pick<StepSettings, "batch" | "seqLen">>> = {
  "8x256": { batch: 8, seqLen: 256 },
  "8x512": { batch: 2, seqLen: 1024 },
  tiny: { batch: 2, seqLen: 32 },
};

/** Shapes whose sampling is measured. */
export const SAMPLE_SHAPES = ["8x256", "8x512", "12x768", "tiny"] as const;
export type SampleShapeName = (typeof SAMPLE_SHAPES)[number];

/** Longest context of a model that is sampled from. */
export const SAMPLE_CONTEXT = 1024;

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
  { batch = BATCHES[shape].batch, seqLen = BATCHES[shape].seqLen }: SizeOverrides = {},
): StepSettings {
  const size = { ...ARCHITECTURES[shape], batch, seqLen };
  const config = modelConfig({ ...size, model });
  const { dMlp, capacity } = derived(config);
  const predictorWidth = (config.routing.kind === "learned" && config.routing.predictor?.width) || 0;
  return { ...size, model, dMlp, capacity, predictorWidth, threads, compile: false };
}

/** What a process is told that samples from a model of a shape. */
export function sampleSettingsOf(
  shape: SampleShapeName,
  run: Pick<SampleSettings, "model" | "batch" | "prompt" | "tokens" | "threads" | "weights">,
): SampleSettings {
  const size = { ...ARCHITECTURES[shape], seqLen: SAMPLE_CONTEXT };
  const { dMlp, capacityRatio } = derived(modelConfig({ ...size, model: run.model }));
  return { ...size, dMlp, capacityRatio, ...run };
}

/** The model that settings describe; all that they leave open is as by default. */
export function modelConfig({
  model,
  ...size
}: Pick<StepSettings, "model" | "vocabSize" | "seqLen" | "nLayer" | "dModel" | "nHead">): ModelConfig {
  const { vocabSize, seqLen, nLayer, dModel, nHead } = size;
  const shape = { vocabSize, seqLen, nLayer, dModel, nHead };
  return modelSchema.parse({ ...shape, ...LAYERS[model] });
}

const LEARNED = { kind: "learned" } as const;

/** What decides in the layers. */
const LAYERS: Readonly<Record<ModelName, Partial<ModelInput>>> = {
  dense: {},
  mod: { pattern: ["dense", "mod"], routing: LEARNED },
  moe: { pattern: ["dense", "moe"], experts: { choice: "token" } },
  mode: { pattern: ["dense", "mode"], routing: LEARNED, experts: { choice: "token" } },
  "mode-integrated": { pattern: ["dense", "moe"], experts: { choice: "token", noOps: 8 } },
};
