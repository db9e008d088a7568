import type { ModelInput } from "../model/config.ts";
import type { RunInput } from "./runConfig.ts";

/** A size: everything of a run but what decides in its layers. */
interface Size {
  readonly summary: string;
  readonly model: Omit<ModelInput, "vocabSize" | "pattern" | "routing" | "experts">;
  readonly vocabSize: number;
  readonly train: RunInput["train"];
}

const SIZES: Readonly<Record<string, Size>> = {
  tiny: {
    summary: "seconds: tests, first steps",
    model: { seqLen: 64, nLayer: 4, dModel: 64, nHead: 2 },
    vocabSize: 512,
    train: {
      batchSize: 8,
      horizon: { kind: "steps", steps: 100 },
      learningRate: { peak: 4e-3 },
      evaluate: { every: 50, tokens: 4096 },
      checkpoint: { every: 50 },
    },
  },
  small: {
    summary: "minutes: the demonstration",
    model: { seqLen: 256, nLayer: 6, dModel: 192, nHead: 3 },
    vocabSize: 2048,
    train: { batchSize: 8, horizon: { kind: "flops", budget: 2e13 }, learningRate: { peak: 3e-3 } },
  },
  base: {
    summary: "an hour or so",
    model: { seqLen: 512, nLayer: 8, dModel: 256, nHead: 4 },
    vocabSize: 4096,
    train: { batchSize: 8, horizon: { kind: "flops", budget: 3e14 } },
  },
  large: {
    summary: "most of a day: the largest that two cores make sense for",
    model: { seqLen: 1024, nLayer: 12, dModel: 512, nHead: 8 },
    vocabSize: 8192,
    train: {
      batchSize: 2,
      accumulate: 8,
      horizon: { kind: "flops", budget: 6e15 },
      learningRate: { peak: 1e-3 },
      checkpoint: { every: 50 },
    },
  },
};

type Variant = Pick<ModelInput, "pattern" | "routing" | "experts">;

/** What decides in the layers; the first is the one a size's bare name stands for. */
const VARIANTS: Readonly<Record<string, { readonly summary: string } & Variant>> = {
  mod: {
    summary: "every other block routed, 12.5 % capacity, auxiliary loss and predictor",
    pattern: ["dense", "mod"],
    routing: { kind: "learned" },
  },
  dense: { summary: "the vanilla transformer", pattern: ["dense"], routing: { kind: "none" } },
  random: {
    summary: "every other block routed at random, 12.5 % capacity",
    pattern: ["dense", "mod"],
    routing: { kind: "random" },
  },
  moe: {
    summary: "eight experts in every other block, each token takes one",
    pattern: ["dense", "moe"],
    experts: { choice: "token" },
  },
  mode: {
    summary: "staged Mixture-of-Depths-and-Experts: every other block routed, with eight experts",
    pattern: ["dense", "mode"],
    routing: { kind: "learned" },
    experts: { choice: "token" },
  },
  "mode-integrated": {
    summary: "integrated Mixture-of-Depths-and-Experts: eight experts and eight no-op experts in every other block",
    pattern: ["dense", "moe"],
    experts: { choice: "token", noOps: 8 },
  },
};

export interface Preset {
  readonly name: string;
  readonly summary: string;
  readonly config: RunInput;
}

/** All presets: each size in each variant, `small-dense` for instance; `small` alone is `small-mod`. */
export const PRESETS: readonly Preset[] = Object.entries(SIZES).flatMap(
  ([size, { summary, model, vocabSize, train }]) =>
    Object.entries(VARIANTS).map(([variant, { summary: about, ...layers }]) => ({
      name: `${size}-${variant}`,
      summary: `${about}; ${summary}`,
      config: { model: { ...model, ...layers }, data: { tokenizer: { kind: "bpe" as const, vocabSize } }, train },
    })),
);

/** A preset by name, or undefined. A size alone names its Mixture-of-Depths variant. */
export const findPreset = (name: string): Preset | undefined =>
  PRESETS.find((preset) => preset.name === name || preset.name === `${name}-mod`);
