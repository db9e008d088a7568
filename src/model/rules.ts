import type { ModelConfig } from "./config.ts";
import type { ExpertChoice } from "./expertsConfig.ts";

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

/**
 * What evaluation reports on: the rules of a routed block; `token` for experts that tokens choose, without slots to fill, where
 * nothing else decides; and `dense` for a model that has neither. `topk` is as in training, with the slots of experts.
 */
export const EVALUATION_RULES = [...RULES, "token", "dense"] as const;
export type EvaluationRule = (typeof EVALUATION_RULES)[number];

/** The rule that a graph is built with: where nothing is routed, all goes through. */
export const graphRule = (rule: EvaluationRule): Rule => (rule === "token" || rule === "dense" ? "through" : rule);

const REMEDIES = ["predictor", "auxiliary"] as const;

/** Whether a model was trained for a remedy in every place where later tokens have a say. */
function isTrainedFor(remedy: (typeof REMEDIES)[number], { routing, experts }: ModelConfig): boolean {
  const parts = [...(routing.kind === "learned" ? [routing] : []), ...(experts?.choice === "expert" ? [experts] : [])];
  return parts.length > 0 && parts.every((part) => part[remedy] !== null);
}

/** Rules that a model can be evaluated under. Nothing ties a router to a threshold in a model that was not trained for a rule. */
export function applicableRules(config: ModelConfig): EvaluationRule[] {
  const { routing, experts } = config;
  if (routing.kind === "none" && experts === undefined) return ["dense"];
  const remedies: EvaluationRule[] =
    routing.kind === "random" ? [] : REMEDIES.filter((remedy) => isTrainedFor(remedy, config));
  const canDecide = experts?.choice !== "expert" || experts.predictor !== null || experts.auxiliary !== null;
  if (routing.kind === "none") return ["topk", ...remedies, ...(experts?.choice === "token" ? ["token" as const] : [])];
  return ["topk", ...remedies, ...(canDecide ? (["through", "around", "random"] as const) : [])];
}

/** The rule a model samples with: its headline. The predictor's where there are two. */
export function causalRule(config: ModelConfig): EvaluationRule | null {
  const own =
    config.routing.kind === "random" ? ["random" as const] : (["predictor", "auxiliary", "token", "dense"] as const);
  return own.find((rule) => applicableRules(config).includes(rule)) ?? null;
}

/** What a graph's rule is called in evaluation: where nothing is routed, `through` is the model's own. */
export const evaluationRule = (config: ModelConfig, rule: Rule): EvaluationRule =>
  applicableRules(config).includes(rule) ? rule : (causalRule(config) ?? rule);

/** How experts that choose decide where a rule is about the routed blocks around them: by what they were trained for. */
export function ruleOfExperts({ predictor, auxiliary }: ExpertChoice, rule: Rule): "topk" | (typeof REMEDIES)[number] {
  if (rule === "topk" || rule === "predictor" || rule === "auxiliary") return rule;
  if (predictor !== null) return "predictor";
  if (auxiliary !== null) return "auxiliary";
  throw new Error(
    `rule ${rule}: experts that choose must be trained with a predictor or an auxiliary loss, got neither`,
  );
}
