import { amongLargest, div, matmul, scalar, softmax, sum, type Tensor, where } from "../graph/index.ts";
import type { ExpertsConfig, TokenChoice } from "./expertsConfig.ts";
import type { ExpertsParameters } from "./parameters.ts";

/** What the router of experts says of each token, no-op experts last. */
export interface ExpertScores {
  /** x · router, [B, n, E + O]. */
  readonly logits: Tensor;
  /** Their softmax over the experts. */
  readonly probabilities: Tensor;
}

/** @param x [B, n, D], what the experts read */
export function expertScores({ router }: ExpertsParameters<Tensor>, x: Tensor): ExpertScores {
  const logits = matmul(x, router);
  return { logits, probabilities: softmax(logits) };
}

/** Experts that each token takes: the `perToken` of largest probability, exactly, under ties the lower number. bool [B, n, E + O]. */
export const tokensChoice = ({ probabilities }: ExpertScores, { perToken }: TokenChoice): Tensor =>
  amongLargest(probabilities, perToken);

/**
 * Factor on each expert's output, 0 where it is not chosen: the probability (Fedus et al. 2022, equation 2; Zhou et al. 2022); for two
 * experts a token their probabilities over the sum of both (Lepikhin et al. 2020). [B, n, E + O].
 *
 * @param chosen bool [B, n, E + O]
 */
export function expertWeights({ probabilities }: ExpertScores, chosen: Tensor, experts: ExpertsConfig): Tensor {
  const weights = where(chosen, probabilities, scalar(probabilities.dtype, 0));
  const normalized = experts.choice === "token" && experts.perToken > 1;
  return normalized ? div(weights, sum(weights, [-1], true)) : weights;
}
