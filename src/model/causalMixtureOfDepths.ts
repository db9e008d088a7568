import { add, and, descendingRank, greater, less, reshape, scalar, type Tensor, where } from "../graph/index.ts";
import { attentionContext } from "./attention.ts";
import { blockDelta } from "./block.ts";
import { withinBudget } from "./budget.ts";
import { type CausalRule, causalScore, causalThreshold } from "./causalRule.ts";
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
  /** Most that a causal rule may compute, as a share of the tokens so far. */
  readonly budget?: number;
}

/** What one routed block decided. */
export interface CausalDecision {
  /** bool [B, T]: routed through by the rule. */
  readonly routedThrough: Tensor;
  /** bool [B, T]: among the C largest r in this same pass, what accuracy compares with. */
  readonly top: Tensor;
  /** r, [B, T] */
  readonly routerWeights: Tensor;
  /** What the rule compares with its threshold, [B, T]; under top-k, which has none, r. */
  readonly score: Tensor;
  /** What the predictor says, whichever rule decides, [B, T]; missing where the block has none. */
  readonly predictorLogits?: Tensor;
}

/**
 * A Mixture-of-Depths block under any rule, over sequences of any length. The number of routed tokens is free, so every token
 * is computed and those routed around are masked out: they are no keys, and their result is not added. Equal to computing the
 * routed ones alone, at the cost of a dense block.
 *
 * @param x [B, T, D]; B and T may be symbolic
 * @param noise N(0, 1), [B, T]; read by the rule `random` and by random routing
 * @param threshold of a causal rule; the rule's own, if not given
 */
export function causalMixtureOfDepths(
  parameters: ModLayerParameters<Tensor>,
  x: Tensor,
  noise: Tensor,
  context: CausalContext,
  config: ModelConfig,
  threshold?: number,
): { readonly x: Tensor; readonly decision: CausalDecision } {
  const routing = config.routing;
  if (routing.kind === "none") throw new Error("causalMixtureOfDepths: the model must have routing, got none");
  const r = parameters.router === undefined ? noise : routerWeights(parameters.router, x); // [B, T]
  const top = amongTop(r, context);
  const { rule, valid, budget } = context;
  const score = rule === "topk" ? r : causalScore(parameters, x, r, noise, rule);
  const above = () => greater(score, threshold ?? causalThreshold(rule as CausalRule, routing.capacityRatio));
  const wanted = and(rule === "topk" ? top : above(), valid);
  const routedThrough = budget === undefined || rule === "topk" ? wanted : withinBudget(wanted, budget);

  const attending = attentionContext(context.positions, x, { documents: context.documents, keys: routedThrough });
  const { y: delta } = blockDelta(parameters.block, x, attending, config); //             [B, T, D]
  const zero = scalar(x.dtype, 0);
  const mask = reshape(routedThrough, [...routedThrough.shape, 1]);
  const update = where(mask, gated(gateOf(routing.gate, r), delta), zero);
  const told = parameters.predictor && { predictorLogits: predictorLogits(parameters.predictor, x) };
  return { x: add(x, update), decision: { routedThrough, top, routerWeights: r, score, ...told } };
}

/** The C largest r of each sequence, exactly C, padding excluded. */
function amongTop(r: Tensor, { valid, capacities }: CausalContext): Tensor {
  const lowest = scalar(r.dtype, -3e38);
  return and(less(descendingRank(where(valid, r, lowest)), capacities), valid);
}
