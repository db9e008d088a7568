import { add, and, descendingRank, greater, less, reshape, scalar, type Tensor, where } from "../graph/index.ts";
import { attentionContext } from "./attention.ts";
import { blockDelta } from "./block.ts";
import type { ModelConfig } from "./config.ts";
import type { ModLayerParameters } from "./parameters.ts";
import { gated, gateOf, predictorLogits, routerWeights } from "./router.ts";
import type { Rule } from "./rules.ts";

/** What a whole batch brings to each routed block. */
export interface CausalContext {
  readonly rule: Rule;
  /** int64 [B, T] */
  readonly positions: Tensor;
  /** int32 [B, T] */
  readonly documents: Tensor;
  /** bool [B, T]: false for padding, which is never routed. */
  readonly valid: Tensor;
  /** C of each sequence, int64 [B, 1]: what top-k may choose of its own length. */
  readonly capacities: Tensor;
}

/** What one routed block decided. */
export interface CausalDecision {
  /** bool [B, T]: routed through by the rule. */
  readonly routedThrough: Tensor;
  /** bool [B, T]: among the C largest r in this same pass, what accuracy compares with. */
  readonly top: Tensor;
  /** r, [B, T] */
  readonly routerWeights: Tensor;
}

/**
 * A Mixture-of-Depths block under any rule, over sequences of any length. The number of routed tokens is free, so every token
 * is computed and those routed around are masked out: they are no keys, and their result is not added. Equal to computing the
 * routed ones alone, at the cost of a dense block.
 *
 * @param x [B, T, D]; B and T may be symbolic
 * @param noise N(0, 1), [B, T]; read by the rule `random` and by random routing
 */
export function causalMixtureOfDepths(
  parameters: ModLayerParameters<Tensor>,
  x: Tensor,
  noise: Tensor,
  context: CausalContext,
  config: ModelConfig,
): { readonly x: Tensor; readonly decision: CausalDecision } {
  const routing = config.routing;
  if (routing.kind === "none") throw new Error("causalMixtureOfDepths: the model must have routing, got none");
  const r = parameters.router === undefined ? noise : routerWeights(parameters.router, x); // [B, T]
  const top = amongTop(r, context);
  const routedThrough = and(decide(parameters, x, r, noise, top, context, routing.capacityRatio), context.valid);

  const attending = attentionContext(context.positions, context.documents, x, routedThrough);
  const delta = blockDelta(parameters.block, x, attending, config); //                    [B, T, D]
  const zero = scalar(x.dtype, 0);
  const mask = reshape(routedThrough, [...routedThrough.shape, 1]);
  const update = where(mask, gated(gateOf(routing.gate, r), delta), zero);
  return { x: add(x, update), decision: { routedThrough, top, routerWeights: r } };
}

/** The C largest r of each sequence, exactly C, padding excluded. */
function amongTop(r: Tensor, { valid, capacities }: CausalContext): Tensor {
  const lowest = scalar(r.dtype, -3e38);
  return and(less(descendingRank(where(valid, r, lowest)), capacities), valid);
}

function decide(
  parameters: ModLayerParameters<Tensor>,
  x: Tensor,
  r: Tensor,
  noise: Tensor,
  top: Tensor,
  { rule, positions, valid }: CausalContext,
  capacityRatio: number,
): Tensor {
  switch (rule) {
    case "topk":
      return top;
    case "predictor":
      if (parameters.predictor === undefined)
        throw new Error("rule predictor: the model must have a predictor, got none");
      return greater(predictorLogits(parameters.predictor, x), 0);
    case "auxiliary":
      return greater(r, 0);
    case "through":
      return valid;
    case "around":
      return greater(positions, positions);
    case "random":
      return greater(noise, normalQuantile(1 - capacityRatio));
  }
}

/**
 * The standard normal quantile by bisection of Φ(x) = (1 + erf(x/√2))/2, with erf from its series. Needed once a graph; exact
 * to 1e-9 for probabilities in [1e-6, 1 − 1e-6]. 0 gives −∞ and 1 gives ∞.
 */
export function normalQuantile(probability: number): number {
  if (probability <= 0) return Number.NEGATIVE_INFINITY;
  if (probability >= 1) return Number.POSITIVE_INFINITY;
  let [low, high] = [-5, 5];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Φ(x) = 1/2 + φ(x)·(x + x³/3 + x⁵/(3·5) + …). */
function normalCdf(x: number): number {
  let [term, total] = [x, x];
  for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(total) && n < 400; n += 2) {
    term *= (x * x) / n;
    total += term;
  }
  return 0.5 + (total * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
