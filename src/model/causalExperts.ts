import {
  addAtRows,
  and,
  anyOf,
  countUntil,
  type Dim,
  descendingRank,
  flattenRows,
  gatherRows,
  greater,
  greaterOrEqual,
  ifElse,
  less,
  mul,
  part,
  reshape,
  reshapeLike,
  rowsWhere,
  scalar,
  slice,
  split,
  type Tensor,
  transpose,
  where,
} from "../graph/index.ts";
import type { ModelConfig } from "./config.ts";
import { type ExpertScores, expertScores, expertWeights, tokensChoice } from "./expertRouter.ts";
import type { ExpertChoice, TokenChoice } from "./expertsConfig.ts";
import { feedForward } from "./feedForward.ts";
import type { ExpertsParameters, MlpWeights } from "./parameters.ts";
import { expertPredictorLogits } from "./router.ts";
import { type Rule, ruleOfExperts } from "./rules.ts";

/** What a pass under a rule brings to the experts of a layer. */
export interface ExpertContext {
  readonly rule: Rule;
  /** Tokens that the layer computes, bool [B, T]; all, if not given. */
  readonly active?: Tensor;
  /** Slots of each expert, int64 [B, 1], under top-k. */
  readonly slots?: Tensor | undefined;
  /** Of this layer alone in its graph. */
  readonly label: string;
}

/** What the experts of one layer decided. */
export interface ExpertDecision {
  /** Experts and no-op experts that the token chose or that chose it, dropped ones too: bool [B, T, E + O]. */
  readonly chosen: Tensor;
  /** Those that computed it: bool [B, T, E]. */
  readonly computed: Tensor;
  /** What top-k would compute of the same probabilities, bool [B, T, E]. */
  readonly top: Tensor;
  /** [B, T, E + O] */
  readonly probabilities: Tensor;
}

/**
 * Experts in place of an MLP under any rule, over sequences of any length. Under a causal rule a token depends on itself alone:
 * there are no slots, and nothing is dropped. Each expert computes its own tokens as rows of their own, and is skipped where it has
 * none; a no-op expert costs nothing.
 *
 * @param x [B, T, D]; B and T may be symbolic
 */
export function causalExperts(
  parameters: ExpertsParameters<Tensor>,
  x: Tensor,
  context: ExpertContext,
  config: ModelConfig,
): { readonly y: Tensor; readonly decision: ExpertDecision } {
  const experts = config.experts!;
  const scores = expertScores(parameters, x);
  const decision =
    experts.choice === "token"
      ? decideByToken(scores, context, experts)
      : decideByExpert(parameters, x, scores, context, experts);
  const weights = slice(expertWeights(scores, decision.chosen, experts), 0, experts.count, 2);
  const rows = { x: flattenRows(x), computed: flattenRows(decision.computed), weights: flattenRows(weights) };
  const y = computeRows(parameters, rows, context.label, config);
  return { y: reshapeLike(y, x), decision };
}

function decideByToken(scores: ExpertScores, context: ExpertContext, experts: TokenChoice): ExpertDecision {
  const chosen = among(tokensChoice(scores, experts), context);
  const real = slice(chosen, 0, experts.count, 2);
  const top = () => and(real, greaterOrEqual(slotLimit(context), countUntil(real, 1)));
  return {
    ...{ chosen, probabilities: scores.probabilities },
    computed: context.rule === "topk" ? top() : real,
    top: context.slots === undefined ? real : top(),
  };
}

function decideByExpert(
  parameters: ExpertsParameters<Tensor>,
  x: Tensor,
  scores: ExpertScores,
  context: ExpertContext,
  experts: ExpertChoice,
): ExpertDecision {
  const { probabilities, logits } = scores;
  const top = () => {
    const candidates = among(greater(probabilities, -1), context);
    const ranked = transpose(where(candidates, probabilities, scalar(probabilities.dtype, -1)), [0, 2, 1]);
    const rank = transpose(descendingRank(ranked), [0, 2, 1]);
    return and(less(rank, slotLimit(context)), candidates);
  };
  const rule = ruleOfExperts(experts, context.rule);
  const wanted = () =>
    among(greater(rule === "predictor" ? expertPredictorLogits(parameters.predictor!, x) : logits, 0), context);
  const computed = rule === "topk" ? top() : wanted();
  return { chosen: computed, computed, top: context.slots === undefined ? computed : top(), probabilities };
}

/** Of the choices those of tokens that the layer computes. */
const among = (choices: Tensor, { active }: ExpertContext): Tensor =>
  active === undefined ? choices : and(choices, reshape(active, [...active.shape, 1]));

/** int64 [B, 1, 1] */
function slotLimit({ slots }: ExpertContext): Tensor {
  if (slots === undefined) throw new Error("causalExperts: the rule topk needs the experts' slots, got none");
  return reshape(slots, [...slots.shape, 1]);
}

interface ExpertRows {
  /** [R, D] */
  readonly x: Tensor;
  /** bool [R, E] */
  readonly computed: Tensor;
  /** [R, E] */
  readonly weights: Tensor;
}

/** Σ over the experts of a row: weight · expert(x), [R, D]. An expert without rows is not entered: its weights are not read. */
function computeRows(
  parameters: ExpertsParameters<Tensor>,
  { x, computed, weights }: ExpertRows,
  label: string,
  { experts, mlp }: ModelConfig,
): Tensor {
  const [r] = x.shape as readonly [Dim];
  const count = experts!.count;
  const isNeeded = split(anyOf(computed, [0]), Array(count).fill(1), 0);
  let y = mul(x, 0);
  for (let expert = 0; expert < count; expert++) {
    const column = (tensor: Tensor) => slice(tensor, expert, expert + 1, 1);
    const rows = rowsWhere(reshape(column(computed), [r]), `${label}.${expert}`);
    const delta = feedForward(expertPart(parameters, expert), gatherRows(x, rows), mlp);
    const update = mul(delta, gatherRows(column(weights), rows));
    y = ifElse(isNeeded[expert]!, [y, x, computed, weights], [addAtRows(y, rows, update)], [y])[0]!;
  }
  return y;
}

/** The weights of one expert. */
const expertPart = ({ up, gate, down }: MlpWeights<Tensor>, expert: number): MlpWeights<Tensor> => ({
  up: part(up, expert),
  ...(gate && { gate: part(gate, expert) }),
  down: part(down, expert),
});
