import type { ModelConfig } from "./config.ts";

/**
 * How a routed block decides when a model is evaluated or sampled from. All but `topk` look at one token alone, so they are
 * causal:
 *
 * - `topk`       among the C largest r of its sequence, as in training. Sees the future.
 * - `predictor`  the predictor's logit > 0
 * - `auxiliary`  r > 0, which is sigmoid(r) > 0.5
 * - `through`    always computed; `around`: never
 * - `random`     noise ~ N(0, 1) above its (1 − ratio) quantile; the causal rule of a model with random routing
 */
export const RULES = ["topk", "predictor", "auxiliary", "through", "around", "random"] as const;
export type Rule = (typeof RULES)[number];

/** What evaluation reports on: the rules of a routed block, and `dense` for a model that has none. */
export const EVALUATION_RULES = [...RULES, "dense"] as const;
export type EvaluationRule = (typeof EVALUATION_RULES)[number];

/** Rules that a model can be evaluated under. Nothing ties r to a threshold in a model that was not trained for a rule. */
export function applicableRules({ routing }: ModelConfig): EvaluationRule[] {
  switch (routing.kind) {
    case "none":
      return ["dense"];
    case "random":
      return ["topk", "through", "around", "random"];
    case "learned":
      return RULES.filter(
        (rule) =>
          !(rule === "predictor" && routing.predictor === null) &&
          !(rule === "auxiliary" && routing.auxiliary === null),
      );
  }
}

/** The rule a model samples with: its headline. The predictor's where there are two. */
export function causalRule({ routing }: ModelConfig): EvaluationRule | null {
  if (routing.kind === "none") return "dense";
  if (routing.kind === "random") return "random";
  if (routing.predictor !== null) return "predictor";
  return routing.auxiliary !== null ? "auxiliary" : null;
}
