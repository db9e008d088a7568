import type { ParameterRole, ParameterSpec } from "../model/parameters.ts";
import type { UpdateFactors } from "./updateMemory.ts";

/** Settings of AdamW and of clipping. */
export interface OptimizerConfig {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Roles of the parameters that decay. */
  readonly decay: readonly ParameterRole[];
  /** Largest global norm of a group's gradients; null never clips. */
  readonly clipNorm: number | null;
  /** Factor on the learning rate of routers. */
  readonly routerRate: number;
}

/**
 * What changes with the step. With bias corrections cᵢ = 1 − βᵢᵗ, AdamW's step lr/c₁·m / (√(v/c₂) + ε) is
 * `stepSize`·m / (√v + `epsilon`).
 */
export interface StepScalars {
  readonly learningRate: number;
  readonly stepSize: number;
  readonly epsilon: number;
}

/** Scalars of update number `step`, from 1. */
export function stepScalars(step: number, learningRate: number, config: OptimizerConfig): StepScalars {
  const correction1 = 1 - config.beta1 ** step;
  const correction2 = Math.sqrt(1 - config.beta2 ** step);
  return {
    learningRate,
    stepSize: (learningRate * correction2) / correction1,
    epsilon: config.epsilon * correction2,
  };
}

/**
 * Gradients that are clipped together. The predictors are a group of their own: whether they are there must not change the
 * language model's updates.
 */
export const GRADIENT_GROUPS = ["main", "predictor"] as const;
export type GradientGroup = (typeof GRADIENT_GROUPS)[number];

export const gradientGroup = ({ role }: ParameterSpec): GradientGroup => (role === "predictor" ? "predictor" : "main");

/** min(1, clipNorm / norm): the factor on gradients of this norm. */
export function clipFactor(norm: number, { clipNorm }: OptimizerConfig): number {
  // The small constant keeps 0 / 0 away, as PyTorch's clip_grad_norm_ does.
  return clipNorm === null ? 1 : Math.min(1, clipNorm / (norm + 1e-6));
}

/** Factors of AdamW for a parameter; `clip` is the one on its gradient. */
export function updateFactors(
  { role }: Pick<ParameterSpec, "role">,
  clip: number,
  { learningRate, stepSize, epsilon }: StepScalars,
  { beta1, beta2, weightDecay, decay, routerRate }: OptimizerConfig,
): UpdateFactors {
  const rate = role === "router" ? routerRate : 1;
  return {
    beta1,
    beta2,
    share1: clip * (1 - beta1),
    share2: clip * clip * (1 - beta2),
    step: stepSize * rate,
    epsilon,
    kept: 1 - (decay.includes(role) ? learningRate * rate * weightDecay : 0),
  };
}
