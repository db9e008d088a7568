import type { Horizon, TrainConfig } from "../config/runConfig.ts";
import { totalFlops, trainingFlops } from "../flops/flops.ts";
import type { ModelConfig } from "../model/config.ts";

/** Counted training FLOPs of one step: all its sequences, forward and backward. */
export const stepFlops = (model: ModelConfig, train: TrainConfig): number =>
  totalFlops(trainingFlops(model)) * train.batchSize * train.accumulate;

/** Tokens of one step. */
export const stepTokens = (model: ModelConfig, train: TrainConfig): number =>
  model.seqLen * train.batchSize * train.accumulate;

/** Steps of a run, at least 1: the horizon in steps, rounded to the nearest. */
export function horizonSteps(
  horizon: Horizon,
  model: ModelConfig,
  train: TrainConfig,
  windowsPerEpoch: number,
): number {
  const rounded = (steps: number) => Math.max(1, Math.round(steps));
  switch (horizon.kind) {
    case "steps":
      return horizon.steps;
    case "tokens":
      return rounded(horizon.tokens / stepTokens(model, train));
    case "epochs":
      return rounded((horizon.epochs * windowsPerEpoch) / (train.batchSize * train.accumulate));
    case "flops":
      return rounded(horizon.budget / stepFlops(model, train));
  }
}

/**
 * Learning rate of update `step` (from 1) of `steps`: a linear rise over the warm-up, then half a cosine that reaches
 * `final · peak` at the last step.
 */
export function learningRateAt(
  step: number,
  steps: number,
  { peak, warmup, final }: TrainConfig["learningRate"],
): number {
  const rise = Math.round(warmup * steps);
  if (step <= rise) return (peak * step) / rise;
  const progress = steps === rise ? 1 : (step - rise) / (steps - rise);
  return peak * (final + (1 - final) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
