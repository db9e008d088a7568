import { add, matmul, mul, relu, reshape, sigmoid, stopGradient, type Tensor, tanh } from "../graph/index.ts";
import type { Gate } from "./config.ts";
import type { PredictorParameters } from "./parameters.ts";

/** Router weights r = w·x, one scalar a token: router [D, 1], x [B, T, D] -> [B, T] (Raposo et al. 2024, section 3.4). */
export const routerWeights = (router: Tensor, x: Tensor): Tensor => reshape(matmul(x, router), x.shape.slice(0, 2));

/** The factor g(r) on the output of a routed block; undefined stands for 1. Any shape. */
export function gateOf(gate: Gate, r: Tensor): Tensor | undefined {
  switch (gate) {
    case "linear":
      return r;
    case "sigmoid":
      return sigmoid(r);
    case "tanh":
      return tanh(r);
    case "one":
      return undefined;
  }
}

/**
 * The auxiliary predictor: logits of "this token is among the top k", from x [B, T, D] alone -> [B, T]. It reads the block's
 * input behind a stop: nothing it learns reaches the language model (Raposo et al. 2024, section 3.5).
 */
export const predictorLogits = (parameters: PredictorParameters<Tensor>, x: Tensor): Tensor =>
  reshape(expertPredictorLogits(parameters, x), x.shape.slice(0, 2));

/** The same of "this expert takes the token", a logit for each expert: x [B, T, D] -> [B, T, E]. */
export function expertPredictorLogits(parameters: PredictorParameters<Tensor>, x: Tensor): Tensor {
  const hidden = relu(add(matmul(stopGradient(x), parameters.hidden), parameters.hiddenBias)); // [B, T, P]
  return add(matmul(hidden, parameters.output), parameters.outputBias);
}

/** gate · delta for each token: gate [B, T] or undefined for 1, delta [B, T, D]. */
export const gated = (gate: Tensor | undefined, delta: Tensor): Tensor =>
  gate === undefined ? delta : mul(delta, reshape(gate, [...gate.shape, 1]));
