import { type GraphDefinition, input, type Tensor } from "../../graph/index.ts";
import { evaluate } from "../../graph/testing/gradientCheck.ts";
import { float32, type HostTensors, int32 } from "../../runtime/executor.ts";
import { type CausalBatch, causalFeeds, causalGraph } from "../causalGraph.ts";
import { derived, type ModelConfig, type ModelInput, modelSchema } from "../config.ts";
import { routingNoise } from "../noise.ts";
import { parameterInputs, parameterTensors } from "../parameterInputs.ts";
import { initialParameters, parameterList } from "../parameters.ts";
import type { Rule } from "../rules.ts";
import { trainingForward } from "../transformer.ts";

type Change = Partial<ModelInput>;
type ExpertsChange = Readonly<Record<string, unknown>>;
type LearnedChange = Partial<Extract<NonNullable<ModelInput["routing"]>, { kind: "learned" }>>;

/** A dense model of four blocks, small enough for exhaustive checks. Routers start large, so that choices are not ties. */
export const tinyDense = (change: Change = {}): ModelConfig =>
  modelSchema.parse({
    ...{ vocabSize: 11, seqLen: 8, nLayer: 4, dModel: 8, nHead: 2, dMlp: 16, routerStd: 3 },
    ...change,
  });

/** The same with every other block routed at half capacity. */
export const tinyMod = (routing: LearnedChange = {}, change: Change = {}): ModelConfig =>
  tinyDense({
    pattern: ["dense", "mod"],
    routing: { kind: "learned", capacityRatio: 0.5, predictor: { width: 4 }, ...routing },
    ...change,
  });

export const tinyRandom = (gate: "linear" | "one", change: Change = {}): ModelConfig =>
  tinyDense({ pattern: ["dense", "mod"], routing: { kind: "random", capacityRatio: 0.5, gate }, ...change });

/** Four experts in every other block, in which all tokens are computed. */
export const tinyMoe = (experts: ExpertsChange = {}, change: Change = {}): ModelConfig =>
  tinyDense({ pattern: ["dense", "moe"], experts: tinyExperts(experts), ...change });

/** Four experts in every other block, which is routed at half capacity. */
export const tinyMode = (experts: ExpertsChange = {}, change: Change = {}): ModelConfig =>
  tinyMod({}, { pattern: ["dense", "mode"], experts: tinyExperts(experts), ...change });

const tinyExperts = (change: ExpertsChange) => ({ choice: "token", count: 4, ...change }) as ModelInput["experts"];

/** Kinds of models with experts. */
export const expertModels = (change: Change = {}): Readonly<Record<string, ModelConfig>> => ({
  "moe, token choice": tinyMoe({}, change),
  "moe, two experts a token, SwiGLU": tinyMoe({ perToken: 2 }, { mlp: "swiglu", ...change }),
  "moe, few slots": tinyMoe({ capacityFactor: 0.5 }, change),
  "moe, expert choice": tinyMoe({ choice: "expert", predictor: { width: 4 } }, change),
  "moe, expert choice of two, auxiliary loss alone": tinyMoe(
    { choice: "expert", capacityFactor: 2, predictor: null },
    change,
  ),
  "integrated mode": tinyMoe({ noOps: 3 }, change),
  "integrated mode, two a token": tinyMoe({ noOps: 2, perToken: 2 }, change),
  "staged mode": tinyMode({}, change),
  "staged mode, expert choice": tinyMode({ choice: "expert", predictor: { width: 4 } }, change),
  "moe and staged mode, narrow experts": tinyMode({ dMlp: 5 }, { pattern: ["moe", "mode"], ...change }),
  "random routing around experts": tinyRandom("one", {
    pattern: ["dense", "mode"],
    experts: tinyExperts({}),
    ...change,
  }),
});

/**
 * Parameters with which every part of the model matters: initial ones, made larger where they start near zero, and biases
 * and gains moved off their constants.
 */
export function livelyParameters(config: ModelConfig, seed = 3): HostTensors {
  const stretch = (name: string) => (name === "head" ? 20 : /router|embedding/.test(name) ? 1 : 1.5);
  return Object.fromEntries(
    [...initialParameters(config, seed)].map(([name, { shape, data }]) => {
      const values = data.map((x, i) => x * stretch(name) + (/[nN]orm|Bias/.test(name) ? 0.2 * Math.sin(i + 1) : 0));
      return [`value.${name}`, float32(shape, values)];
    }),
  );
}

/** Token ids, all different within a row of up to `vocabSize`, so that no two router weights tie. */
export const someTokens = (rows: number, width: number, vocabSize: number, seed = 0): Int32Array =>
  Int32Array.from({ length: rows * width }, (_, i) => {
    const [row, position] = [Math.floor(i / width), i % width];
    return (position * 7 + row * 3 + seed) % vocabSize;
  });

/** Logits and choices of the training pass on rows of `seqLen` tokens. */
export async function runTraining(
  config: ModelConfig,
  tokens: Int32Array,
  parameters: HostTensors,
  documents?: Int32Array,
) {
  const rows = tokens.length / config.seqLen;
  const shape = [rows, config.seqLen];
  const { nRouted } = derived(config);
  const values = parameterInputs(parameterList(config), "value", "float32");
  const batch = { tokens: input("int32", shape), documents: input("int32", shape) };
  const noise: Record<string, Tensor> =
    config.routing.kind === "random" ? { noise: input("float32", [...shape, nRouted]) } : {};
  const { logits, routed } = trainingForward(parameterTensors(config, values), { ...batch, ...noise }, config);
  const choices = routed.map(({ routedThrough }, i) => [`routedThrough.${i}`, routedThrough]);
  const definition: GraphDefinition = {
    name: "training forward",
    inputs: { ...batch, ...noise, ...values },
    outputs: { logits, ...Object.fromEntries(choices) },
  };
  const keys = Array.from({ length: rows }, (_, row) => ({ seed: 1, sequence: row }));
  return evaluate(definition, {
    ...parameters,
    tokens: int32(shape, tokens),
    documents: int32(shape, documents ?? new Int32Array(tokens.length)),
    noise: float32([...shape, nRouted], routingNoise(keys, config.seqLen, nRouted)),
  });
}

/** Logits and decisions of the pass under a rule. */
export async function runCausal(
  config: ModelConfig,
  rule: Rule,
  batch: Omit<CausalBatch, "noiseKeys">,
  parameters: HostTensors,
): Promise<HostTensors> {
  const noiseKeys = batch.lengths.map((_, row) => ({ seed: 1, sequence: row }));
  return evaluate(causalGraph(config, rule, "logits"), {
    ...parameters,
    ...causalFeeds({ ...batch, noiseKeys }, config),
  });
}
