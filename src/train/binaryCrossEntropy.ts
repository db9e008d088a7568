import { mean, mul, softplus, stopGradient, sub, type Tensor } from "../graph/index.ts";

/** Mean of −log p(label) for logits and labels in {0, 1} of one shape: softplus(x) − label·x. */
export const binaryCrossEntropy = (logits: Tensor, labels: Tensor): Tensor =>
  mean(sub(softplus(logits), mul(logits, stopGradient(labels))));
