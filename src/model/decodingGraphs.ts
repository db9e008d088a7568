import { type Dim, type GraphDefinition, input, type Tensor } from "../graph/index.ts";
import type { Cache } from "./attention.ts";
import type { CausalRule } from "./causalRule.ts";
import { derived, layerKinds, type ModelConfig, routedLayers } from "./config.ts";
import { type DecodingResult, type LogitPlaces, prefillForward, stepForward } from "./decodingForward.ts";
import { isRouted } from "./layerKind.ts";
import type { TransformerParameters } from "./parameters.ts";

/** Whether a graph under a rule reads noise: random routing draws its router weights, the rule `random` its decisions. */
export const readsNoise = ({ routing }: ModelConfig, rule: CausalRule): boolean =>
  routing.kind === "random" || (routing.kind === "learned" && rule === "random");

/** `thresholds` [sequences, routed layers], and `noise` [rows, routed layers] where it is read. */
function decisionInputs(config: ModelConfig, rule: CausalRule, sequences: Dim, rows: Dim) {
  const { nRouted } = derived(config);
  if (nRouted === 0) return {};
  return {
    thresholds: input("float32", [sequences, nRouted]),
    ...(readsNoise(config, rule) && { noise: input("float32", [rows, nRouted]) }),
  };
}

function outputsOf({ logits, routedThrough, caches }: DecodingResult, config: ModelConfig): Record<string, Tensor> {
  const layers = routedLayers(config);
  return {
    logits,
    ...Object.fromEntries(routedThrough.map((tensor, i) => [`routedThrough.${layers[i]}`, tensor])),
    ...Object.fromEntries(caches.map(({ keys }, layer) => [`newKeys.${layer}`, keys])),
    ...Object.fromEntries(caches.map(({ values }, layer) => [`newValues.${layer}`, values])),
  };
}

export interface PrefillOptions {
  /** Parameters that are fed, under their names. */
  readonly others?: Readonly<Record<string, Tensor>>;
  /** After which tokens there are logits; the last, if not given. */
  readonly logitPlaces?: LogitPlaces;
  /** Most that a routed layer computes, as a share of the tokens so far. */
  readonly budget?: number;
}

/**
 * A whole prompt in one pass, as a graph.
 *
 * Inputs: `tokens` int32 [1, tokens]; with routed layers `thresholds` [1, R] and, where noise is read, `noise` [tokens, R];
 * and `others`.
 * Outputs: `logits` [1, V] after the last token, or [1, tokens, V] after every token; for each routed layer L `routedThrough.L` bool [1, tokens]; for each layer L
 * `newKeys.L` and `newValues.L`, [1, K, n, H] of the n tokens that it computed.
 */
export function prefillGraph(
  config: ModelConfig,
  rule: CausalRule,
  parameters: TransformerParameters<Tensor>,
  { others = {}, logitPlaces = "last", budget }: PrefillOptions = {},
): GraphDefinition {
  const decision = decisionInputs(config, rule, 1, "tokens");
  const tokens = input("int32", [1, "tokens"]);
  const limit = budget === undefined ? {} : { budget };
  const result = prefillForward(parameters, { tokens, rule, ...decision, ...limit }, config, logitPlaces);
  return {
    name: `prefill ${rule}`,
    inputs: { tokens, ...decision, ...others },
    outputs: outputsOf(result, config),
  };
}

/**
 * One new token for each sequence of a batch, as a graph.
 *
 * Inputs: `tokens` int32 [batch]; `positions` int64 [batch], of these tokens; for each layer L `keys.L` and `values.L`
 * [batch, K, places, H], whose first places hold the earlier tokens that the layer computed; for each routed layer L `lengths.L`
 * int64 [batch], how many those are (in a dense layer: all, `positions`); with routed layers `thresholds` [batch, R], where infinity keeps a
 * sequence from being computed, and, where noise is read, `noise` [batch, R]; and `others`.
 * Outputs: `logits` [batch, V]; `routedThrough.L` bool [batch, 1]; `newKeys.L` and `newValues.L` [n, K, 1, H], to be appended: n is
 * the batch in a dense layer, and in a routed one the sequences that went through, in their order.
 */
export function stepGraph(
  config: ModelConfig,
  rule: CausalRule,
  parameters: TransformerParameters<Tensor>,
  others: Readonly<Record<string, Tensor>> = {},
): GraphDefinition {
  const { nKvHead, headDim } = derived(config);
  const decision = decisionInputs(config, rule, "batch", "batch");
  const tokens = input("int32", ["batch"]);
  const positions = input("int64", ["batch"]);
  const caches = layerKinds(config).map((kind, layer): Cache => {
    const shape = ["batch", nKvHead, isRouted(kind) ? `places.${layer}` : "places", headDim];
    return { keys: input("float32", shape), values: input("float32", shape) };
  });
  const lengths = routedLayers(config).map((layer) => [`lengths.${layer}`, input("int64", ["batch"])] as const);
  const result = stepForward(
    parameters,
    {
      ...{ tokens, positions, caches, rule, ...decision },
      lengths: lengths.map(([, tensor]) => tensor),
    },
    config,
  );
  return {
    name: `step ${rule}`,
    inputs: {
      tokens,
      positions,
      ...Object.fromEntries(lengths),
      ...Object.fromEntries(caches.map(({ keys }, layer) => [`keys.${layer}`, keys])),
      ...Object.fromEntries(caches.map(({ values }, layer) => [`values.${layer}`, values])),
      ...decision,
      ...others,
    },
    outputs: outputsOf(result, config),
  };
}
