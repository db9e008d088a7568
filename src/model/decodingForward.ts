import {
  addAtRows,
  anyOf,
  type Dim,
  embed,
  empty,
  gatherRows,
  greater,
  ifElse,
  lastPlace,
  placesAlong,
  reshape,
  rowsWhere,
  split,
  type Tensor,
} from "../graph/index.ts";
import { type AttentionContext, attentionContext, type Cache, decodingContext, pastBias } from "./attention.ts";
import { type BlockContext, blockDelta, denseBlock } from "./block.ts";
import { withinBudget } from "./budget.ts";
import { causalExperts } from "./causalExperts.ts";
import { type CausalRule, causalScore } from "./causalRule.ts";
import { derived, type ModelConfig } from "./config.ts";
import type { ModLayerParameters, TransformerParameters } from "./parameters.ts";
import { gated, gateOf, routerWeights } from "./router.ts";
import { logitsOf } from "./transformer.ts";

/** What decides in routed blocks while decoding. */
export interface DecisionInputs {
  readonly rule: CausalRule;
  /** Of each routed layer for each sequence, [B, routed layers], where there are such. */
  readonly thresholds?: Tensor;
  /** N(0, 1), [rows, routed layers], where the rule or the model needs it. */
  readonly noise?: Tensor;
  /** Most that a routed layer computes of a prompt, as a share of the tokens so far. */
  readonly budget?: number;
}

/** What one pass gives. */
export interface DecodingResult {
  /** [B, V], after the last token of each sequence; or [B, T, V], after every token. */
  readonly logits: Tensor;
  /** For each routed layer: which tokens went through, bool [B, T]. */
  readonly routedThrough: readonly Tensor[];
  /** For each layer: keys and values of the tokens that it computed. */
  readonly caches: readonly Cache[];
}

/** One new token for each sequence of a batch. */
export interface StepInputs extends DecisionInputs {
  /** int32 [B] */
  readonly tokens: Tensor;
  /** int64 [B] */
  readonly positions: Tensor;
  /** Of each layer, for the same sequences. */
  readonly caches: readonly Cache[];
  /** Tokens in the cache of each routed layer, int64 [B]; those of a dense layer are as many as the position. */
  readonly lengths: readonly Tensor[];
}

/**
 * A decode step. A routed block gathers the sequences whose token goes through, computes them, and adds the result at their
 * places; where there is none it is skipped. A token routed around neither reads nor writes that block's cache.
 *
 * The caches of the result are what to append: [B, K, 1, H] in a dense layer, [routed, K, 1, H] in a routed one.
 */
export function stepForward(
  parameters: TransformerParameters<Tensor>,
  { tokens, positions, caches, lengths, ...decision }: StepInputs,
  config: ModelConfig,
): DecodingResult {
  const b = tokens.shape[0]!;
  const firstDense = parameters.layers.findIndex(({ kind }) => kind === "dense");
  const denseBias = firstDense === -1 ? undefined : pastBias(caches[firstDense]!, positions);
  const contextOf = (cache: Cache, rows?: Tensor, lengths = positions): AttentionContext => {
    if (rows === undefined) return decodingContext(reshape(positions, [b, 1]), cache, denseBias!);
    const past = { keys: gatherRows(cache.keys, rows), values: gatherRows(cache.values, rows) };
    const ownPositions = reshape(gatherRows(positions, rows), [rows.shape[0]!, 1]);
    return decodingContext(ownPositions, past, pastBias(past, gatherRows(lengths, rows)));
  };
  const rowsShape = (rows: Dim): readonly [Dim, Dim] => [rows, 1];
  return forward(parameters, tokens, [b, 1], "last", decision, config, {
    dense: (layer) => contextOf(caches[layer]!),
    routed: (layer, rows, i) => contextOf(caches[layer]!, rows, lengths[i]!),
    before: (layer, i) => [positions, lengths[i]!, caches[layer]!.keys, caches[layer]!.values],
    rowsShape,
  });
}

/** The tokens of one prompt, all at once. */
export interface PrefillInputs extends DecisionInputs {
  /** int32 [1, T] */
  readonly tokens: Tensor;
}

/** Which tokens logits are wanted after. */
export type LogitPlaces = "last" | "every";

/**
 * A prompt in one pass under a causal rule. A routed block computes the tokens that go through, as a shorter sequence. The
 * caches of the result are [1, K, T, H] in a dense layer, [1, K, routed, H] in a routed one.
 */
export function prefillForward(
  parameters: TransformerParameters<Tensor>,
  { tokens, ...decision }: PrefillInputs,
  config: ModelConfig,
  logitPlaces: LogitPlaces = "last",
): DecodingResult {
  const t = tokens.shape[1]!;
  const places = placesAlong(tokens, 1); // [T]
  const context = attentionContext(reshape(places, [1, t]), parameters.embedding);
  return forward(parameters, tokens, [1, t], logitPlaces, decision, config, {
    dense: () => context,
    routed: (_, rows) => attentionContext(reshape(gatherRows(places, rows), [1, rows.shape[0]!]), parameters.embedding),
    before: () => [places],
    rowsShape: (rows) => [1, rows],
  });
}

/** How the tokens of a pass attend, which is where a prompt and a step differ. */
interface Attending {
  readonly dense: (layer: number) => AttentionContext;
  /** Of the rows that go through routed layer number `i`, which is layer number `layer`. */
  readonly routed: (layer: number, rows: Tensor, i: number) => AttentionContext;
  /** What `routed` reads. */
  readonly before: (layer: number, i: number) => readonly Tensor[];
  /** [B, T] of so many rows that go through. */
  readonly rowsShape: (rows: Dim) => readonly [Dim, Dim];
}

function forward(
  parameters: TransformerParameters<Tensor>,
  tokens: Tensor,
  [b, t]: readonly [Dim, Dim],
  logitPlaces: LogitPlaces,
  decision: DecisionInputs,
  config: ModelConfig,
  attending: Attending,
): DecodingResult {
  let x = reshape(embed(parameters.embedding, tokens), [b, t, config.dModel]);
  const decisions = layerDecisions(decision, [b, t], derived(config));
  const routedThrough: Tensor[] = [];
  const caches: Cache[] = [];
  const expertsOf =
    (layer: number): BlockContext["experts"] =>
    (weights, rows) =>
      causalExperts(weights, rows, { rule: decision.rule, label: `experts.${layer}` }, config).y;
  for (const [layer, layerParameters] of parameters.layers.entries()) {
    if (layerParameters.kind === "dense") {
      const { y, ...cache } = denseBlock(
        layerParameters.block,
        x,
        { attention: attending.dense(layer), experts: expertsOf(layer) },
        config,
      );
      x = y;
      caches.push(cache);
    } else {
      const i = routedThrough.length;
      const around = (rows: Tensor) => ({ attention: attending.routed(layer, rows, i), experts: expertsOf(layer) });
      const block = { layer, around, before: attending.before(layer, i), rowsShape: attending.rowsShape };
      const result = routedBlock(layerParameters, x, decisions[i]!, config, block);
      x = result.x;
      caches.push(result.cache);
      routedThrough.push(result.routedThrough);
    }
  }
  const logits = logitsOf(parameters, logitPlaces === "last" ? lastPlace(x, 1) : x, config); // [B, 1 | T, V]
  return {
    logits: logitPlaces === "last" ? reshape(logits, [b, config.vocabSize]) : logits,
    routedThrough,
    caches,
  };
}

/** What a routed block has around it. */
interface RoutedBlock {
  readonly layer: number;
  /** Of the rows that go through. */
  readonly around: (rows: Tensor) => BlockContext;
  /** What `around` reads. */
  readonly before: readonly Tensor[];
  readonly rowsShape: Attending["rowsShape"];
}

function routedBlock(
  parameters: ModLayerParameters<Tensor>,
  x: Tensor,
  { rule, threshold, noise, budget }: LayerDecision,
  config: ModelConfig,
  { layer, around, before, rowsShape }: RoutedBlock,
) {
  const { routing, dModel } = config;
  if (routing.kind === "none") throw new Error("routedBlock: the model must have routing, got none");
  const [b, t] = x.shape as [Dim, Dim];
  const all = b === 1 ? t : b; // rows of tokens: one sequence, or one token of each
  const r = parameters.router === undefined ? noise! : routerWeights(parameters.router, x); //      [B, T]
  const score = causalScore(parameters, x, r, noise, rule);
  const wanted = greater(score, threshold);
  const routedThrough = budget === undefined ? wanted : withinBudget(wanted, budget);

  const count = `routed.${layer}`;
  const rows = rowsWhere(reshape(routedThrough, [all]), count);
  const xRows = reshape(x, [all, dModel]);
  const [bRouted, tRouted] = rowsShape(count);
  const xRouted = reshape(gatherRows(xRows, rows), [bRouted, tRouted, dModel]);
  const { y, keys, values } = blockDelta(parameters.block, xRouted, around(rows), config);
  const gate = gateOf(routing.gate, reshape(gatherRows(reshape(r, [all]), rows), [bRouted, tRouted]));
  const update = reshape(gated(gate, y), [count, dModel]);
  const xNext = reshape(addAtRows(xRows, rows, update), [b, t, dModel]);

  // What decides is needed whichever branch is taken; r, where it does not decide, by the tokens that go through alone.
  const outside = [x, score, routedThrough, ...before];
  const none = [keys, values].map(({ dtype, shape }) => empty(dtype, shape));
  const [xOut, ...cache] = ifElse(anyOf(routedThrough), outside, [xNext, keys, values], [x, ...none]);
  return { x: xOut!, routedThrough, cache: { keys: cache[0]!, values: cache[1]! } };
}

/** What decides in one routed layer. */
interface LayerDecision extends Pick<DecisionInputs, "rule" | "budget"> {
  /** [B, 1] */
  readonly threshold: Tensor;
  /** [B, T] */
  readonly noise?: Tensor;
}

/** Thresholds and noise of all routed layers, in one part for each. */
function layerDecisions(
  { rule, thresholds, noise, budget }: DecisionInputs,
  [b, t]: readonly [Dim, Dim],
  { nRouted }: { readonly nRouted: number },
): LayerDecision[] {
  const parts = (x: Tensor | undefined) => (x === undefined ? [] : split(x, Array(nRouted).fill(1), 1));
  const ownThresholds = parts(thresholds); // [B, 1]
  const ownNoise = parts(noise); //           [rows, 1]
  return ownThresholds.map((threshold, i) => ({
    ...{ rule, threshold },
    ...(budget !== undefined && { budget }),
    ...(noise !== undefined && { noise: b === 1 ? reshape(ownNoise[i]!, [b, t]) : ownNoise[i]! }),
  }));
}
