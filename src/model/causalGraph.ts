import { crossEntropy, type GraphDefinition, input, type Tensor } from "../graph/index.ts";
import { capacityOf, derived, type ModelConfig } from "./config.ts";
import { slotsOf } from "./expertsConfig.ts";
import { type NoiseKey, routingNoise } from "./noise.ts";
import { parameterInputs, parameterTensors } from "./parameterInputs.ts";
import { parameterList } from "./parameters.ts";
import type { Rule } from "./rules.ts";
import { causalForward } from "./transformer.ts";

export interface CausalGraphOptions {
  /** Parameters that are part of the graph, named `value.NAME` (see `constantParameters`); the others are fed. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Of each routed layer, under a causal rule; the rule's own, if not given. */
  readonly thresholds?: readonly number[];
  /** Most that a routed layer computes under a causal rule, as a share of the tokens so far. */
  readonly budget?: number;
  /** Whether what the rule compares with its thresholds is an output too. */
  readonly scores?: boolean;
  /** Whether what the predictors say is an output too, whichever rule decides. */
  readonly predictorLogits?: boolean;
}

/**
 * The forward pass under one rule as a graph, for any number of sequences of any length up to the context.
 *
 * Inputs: `tokens` int32 [batch, tokens], `targets` likewise (for `nll`), `positions` int64, `documents` int32, `valid` bool,
 * `capacities` int64 [batch, 1], `noise` [batch, tokens, routed layers], with experts `expertSlots` int64 [batch, 2], and `value.NAME`
 * for each parameter that is no constant.
 * Outputs: `nll` [batch, tokens] or `logits` [batch, tokens, V], and for each routed layer I, counted among the routed ones,
 * `routedThrough.I` bool, `top.I` bool and `routerWeights.I`, all [batch, tokens]; if asked for, `score.I` and
 * `predictorLogits.I` too.
 * For each layer J of experts, counted among those: `chosen.J` bool and `probabilities.J` [batch, tokens, E + O], `computed.J` and
 * `topExperts.J` bool [batch, tokens, E].
 */
export function causalGraph(
  config: ModelConfig,
  rule: Rule,
  output: "logits" | "nll",
  { constants = {}, thresholds, budget, scores = false, predictorLogits = false }: CausalGraphOptions = {},
): GraphDefinition {
  const shape = ["batch", "tokens"];
  const fed = parameterList(config).filter(({ name }) => constants[`value.${name}`] === undefined);
  const values = parameterInputs(fed, "value", "float32");
  const inputs = {
    tokens: input("int32", shape),
    positions: input("int64", shape),
    documents: input("int32", shape),
    valid: input("bool", shape),
    capacities: input("int64", ["batch", 1]),
    noise: input("float32", [...shape, derived(config).nRouted]),
    ...(config.experts && { expertSlots: input("int64", ["batch", 2]) }),
  };
  const targets = input("int32", shape);
  const parameters = parameterTensors(config, { ...constants, ...values });
  const { logits, decisions, experts } = causalForward(
    parameters,
    { rule, ...inputs, ...(thresholds && { thresholds }), ...(budget !== undefined && { budget }) },
    config,
  );
  const left = new Set([...(scores ? [] : ["score"]), ...(predictorLogits ? [] : ["predictorLogits"])]);
  const routing: [string, Tensor][] = decisions.flatMap((decision, i) =>
    Object.entries(decision)
      .filter(([name]) => !left.has(name))
      .map(([name, tensor]): [string, Tensor] => [`${name}.${i}`, tensor]),
  );
  const choices: [string, Tensor][] = experts.flatMap(({ chosen, probabilities, computed, top }, i) =>
    Object.entries({ chosen, probabilities, computed, topExperts: top }).map(([name, tensor]) => [
      `${name}.${i}`,
      tensor,
    ]),
  );
  return {
    name: `causal ${rule} ${output}`,
    inputs: { ...inputs, ...(output === "nll" ? { targets } : {}), ...values },
    outputs: {
      ...(output === "nll" ? { nll: crossEntropy(logits, targets) } : { logits }),
      ...Object.fromEntries([...routing, ...choices]),
    },
  };
}

/** Sequences as they enter a causal graph: right-padded rows of one length. */
export interface CausalBatch {
  /** [B·T] */
  readonly tokens: Int32Array;
  /** [B·T]; zeros if not given. */
  readonly documents?: Int32Array;
  /** Tokens of each row that are not padding, [B]. */
  readonly lengths: readonly number[];
  /** T */
  readonly width: number;
  /** What the noise of each row is drawn from, [B]. */
  readonly noiseKeys: readonly NoiseKey[];
}

/** The arrays to feed for a batch, apart from targets and parameters. */
export function causalFeeds(batch: CausalBatch, config: ModelConfig) {
  const { tokens, lengths, width } = batch;
  const shape = [lengths.length, width];
  const size = lengths.length * width;
  const { nRouted, capacityRatio } = derived(config);
  const capacities = lengths.map((length) => capacityOf(capacityRatio, length));
  const int64 = (values: readonly number[], columns: number) => ({
    ...({ dtype: "int64", shape: [lengths.length, columns] } as const),
    data: BigInt64Array.from(values, BigInt),
  });
  const { experts } = config;
  return {
    tokens: { dtype: "int32", shape, data: tokens },
    positions: { dtype: "int64", shape, data: BigInt64Array.from({ length: size }, (_, i) => BigInt(i % width)) },
    documents: { dtype: "int32", shape, data: batch.documents ?? new Int32Array(size) },
    valid: {
      dtype: "bool",
      shape,
      data: Uint8Array.from({ length: size }, (_, i) => (i % width < lengths[Math.floor(i / width)]! ? 1 : 0)),
    },
    capacities: int64(capacities, 1),
    ...(experts && {
      expertSlots: int64(
        lengths.flatMap((length, row) => [slotsOf(experts, length), slotsOf(experts, capacities[row]!)]),
        2,
      ),
    }),
    noise: { dtype: "float32", shape: [...shape, nRouted], data: routingNoise(batch.noiseKeys, width, nRouted) },
  } as const;
}
