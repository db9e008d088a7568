import type { Tensor } from "../graph/index.ts";
import type { ModLayerParameters } from "./parameters.ts";
import { predictorLogits } from "./router.ts";
import type { Rule } from "./rules.ts";

/** Rules that look at one token alone. */
export type CausalRule = Exclude<Rule, "topk">;

/** What a causal rule compares with its threshold: a token is routed through where it is larger. x [B, T, D], r and noise [B, T]. */
export function causalScore(
  parameters: ModLayerParameters<Tensor>,
  x: Tensor,
  r: Tensor,
  noise: Tensor | undefined,
  rule: CausalRule,
): Tensor {
  switch (rule) {
    case "predictor":
      if (parameters.predictor === undefined) {
        throw new Error("rule predictor: the model must have a predictor, got none");
      }
      return predictorLogits(parameters.predictor, x);
    case "random":
      if (noise === undefined) throw new Error("rule random: the graph must have noise, got none");
      return noise;
    case "auxiliary":
    case "through":
    case "around":
      return r;
  }
}

/** The threshold of a rule, unless it is calibrated: 0 where the rule was trained as a logit. */
export function causalThreshold(rule: CausalRule, capacityRatio: number): number {
  switch (rule) {
    case "predictor":
    case "auxiliary":
      return 0;
    case "random":
      return normalQuantile(1 - capacityRatio);
    case "through":
      return Number.NEGATIVE_INFINITY;
    case "around":
      return Number.POSITIVE_INFINITY;
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
