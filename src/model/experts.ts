import {
  add,
  constant,
  gatherRowSets,
  gatherRows,
  greater,
  mul,
  reshape,
  slice,
  spreadRows,
  staticDim,
  sumRowSets,
  type Tensor,
  topPositions,
  transpose,
  where,
} from "../graph/index.ts";
import type { ModelConfig } from "./config.ts";
import { type ExpertScores, expertScores, expertWeights, tokensChoice } from "./expertRouter.ts";
import { type ExpertsConfig, slotsOf } from "./expertsConfig.ts";
import { feedForward } from "./feedForward.ts";
import type { ExpertsParameters } from "./parameters.ts";
import { expertPredictorLogits } from "./router.ts";

/** What the experts of one layer did with its n tokens while training. */
export interface ExpertLayer extends ExpertScores {
  /** By token choice the experts of each token, dropped ones too; by expert choice those that took it. bool [B, n, E + O]. No gradient. */
  readonly chosen: Tensor;
  /** [B, n, E], where the model has predictors of the experts' choice. */
  readonly predictorLogits?: Tensor;
}

/**
 * Experts in place of an MLP, while training: each computes exactly S tokens of each sequence, all of them as one product over
 * [E, B·S, D]. By expert choice these are its S of largest probability; by token choice the first S that chose it, the later ones
 * are dropped, and a slot that nobody wants holds some other token with weight 0.
 *
 * @param x [B, n, D], static
 */
export function trainingExperts(
  parameters: ExpertsParameters<Tensor>,
  x: Tensor,
  config: ModelConfig,
): { readonly y: Tensor; readonly layer: ExpertLayer } {
  const [b, n, d] = x.shape.map((dim) => staticDim("trainingExperts", dim)) as [number, number, number];
  const experts = config.experts!;
  const scores = expertScores(parameters, x);
  const { chosen, positions } = takenTokens(scores, experts); //            [B, n, E + O], [B, E, S]
  const weights = byExpert(expertWeights(scores, chosen, experts)); //      [B, E + O, n]
  const [, routes] = weights.shape as readonly number[];
  const [, e, s] = positions.shape as readonly [number, number, number];

  const rows = reshape(transpose(add(positions, starts(b, n)), [1, 0, 2]), [e, b * s]);
  const xTaken = gatherRowSets(reshape(x, [b * n, d]), rows); //            [E, B·S, D]
  const places = reshape(transpose(add(positions, starts(b, routes! * n, e, n)), [1, 0, 2]), [e * b * s]);
  const factor = gatherRows(reshape(weights, [b * routes! * n]), places);
  const y = mul(feedForward(parameters, xTaken, config.mlp), reshape(factor, [e, b * s, 1]));

  const predicted = parameters.predictor && { predictorLogits: expertPredictorLogits(parameters.predictor, x) };
  return {
    y: reshape(sumRowSets(y, rows, b * n), [b, n, d]),
    layer: { ...scores, chosen, ...predicted },
  };
}

/** [B, n, X] -> [B, X, n]: the tokens of each expert side by side. */
const byExpert = (x: Tensor): Tensor => transpose(x, [0, 2, 1]);

/** Where each sequence, and each expert in it, begins in a flattened tensor: int64 [B, E, 1]. */
function starts(sequences: number, sequenceSize: number, experts = 1, expertSize = 0): Tensor {
  const values = Array.from({ length: sequences * experts }, (_, i) => {
    const [sequence, expert] = [Math.floor(i / experts), i % experts];
    return sequence * sequenceSize + expert * expertSize;
  });
  return constant("int64", [sequences, experts, 1], values);
}

/** Who chose, bool [B, n, E + O], and the tokens in the slots of each expert, int64 [B, E, S], ascending and distinct. */
function takenTokens(scores: ExpertScores, experts: ExpertsConfig): { chosen: Tensor; positions: Tensor } {
  const [b, n, routes] = scores.probabilities.shape as [number, number, number];
  const slots = slotsOf(experts, n);
  if (experts.choice === "expert") {
    const positions = topPositions(byExpert(scores.probabilities), slots);
    const taken = reshape(add(positions, starts(b, routes * n, routes, n)), [b * routes * slots]);
    const through = spreadRows(constant("float32", [b * routes * slots], 1), taken, b * routes * n);
    return { chosen: transpose(greater(reshape(through, [b, routes, n]), 0), [0, 2, 1]), positions };
  }
  const chosen = tokensChoice(scores, experts);
  const order = constant(
    "float32",
    [n],
    Array.from({ length: n }, (_, t) => n - t),
  );
  // Those that chose the expert first, earlier ones before later ones.
  const wanted = slice(byExpert(chosen), 0, experts.count, 1);
  return { chosen, positions: topPositions(where(wanted, add(order, n), order), slots) };
}
