import type { ParameterRole, ParameterSpec } from "../model/parameters.ts";

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
 * What changes with the step. With bias corrections
 * cᵢ = 1 − βᵢᵗ, AdamW's step lr/c₁·m / (√(v/c₂) + ε) is `stepSize`·m / (√v + `epsilon`).
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

/** A parameter and its two moments. */
export interface ParameterState {
  readonly value: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/**
 * Gradients that are clipped together. The predictors are a group of their own: whether they are there must not change the
 * language model's updates.
 */
export const GRADIENT_GROUPS = ["main", "predictor"] as const;
export type GradientGroup = (typeof GRADIENT_GROUPS)[number];

export const gradientGroup = ({ role }: ParameterSpec): GradientGroup => (role === "predictor" ? "predictor" : "main");

/** Adds `others` to a gradient, in place, and returns the sum of squares of what results. */
export function sumInto(gradient: Float32Array, others: readonly Float32Array[]): number {
  for (const other of others) for (let i = 0; i < gradient.length; i++) gradient[i]! += other[i]!;
  // Four sums, so that no addition waits for the one before.
  const [end, sums] = [gradient.length - (gradient.length % 4), [0, 0, 0, 0]];
  let [a, b, c, d] = sums as [number, number, number, number];
  for (let i = 0; i < end; i += 4) {
    a += gradient[i]! ** 2;
    b += gradient[i + 1]! ** 2;
    c += gradient[i + 2]! ** 2;
    d += gradient[i + 3]! ** 2;
  }
  for (let i = end; i < gradient.length; i++) a += gradient[i]! ** 2;
  return a + b + c + d;
}

/** min(1, clipNorm / norm): the factor on gradients of this norm. */
export function clipFactor(norm: number, { clipNorm }: OptimizerConfig): number {
  // The small constant keeps 0 / 0 away, as PyTorch's clip_grad_norm_ does.
  return clipNorm === null ? 1 : Math.min(1, clipNorm / (norm + 1e-6));
}

/**
 * One update of a parameter by AdamW (Loshchilov & Hutter 2019), in place; `clip` is the factor on its gradient. A loop of
 * our own reads and writes each array once, in double precision between: as a graph it takes thirteen operations, each of
 * them a pass over memory (docs/PERFORMANCE.md).
 */
export function adamW(
  { role }: Pick<ParameterSpec, "role">,
  { value, firstMoment, secondMoment }: ParameterState,
  gradient: Float32Array,
  clip: number,
  { learningRate, stepSize, epsilon }: StepScalars,
  { beta1, beta2, weightDecay, decay, routerRate }: OptimizerConfig,
): void {
  const rate = role === "router" ? routerRate : 1;
  const step = stepSize * rate;
  const kept = 1 - (decay.includes(role) ? learningRate * rate * weightDecay : 0);
  const [share1, share2] = [clip * (1 - beta1), clip * clip * (1 - beta2)];
  for (let i = 0; i < value.length; i++) {
    const g = gradient[i]!;
    const m = beta1 * firstMoment[i]! + share1 * g;
    const v = beta2 * secondMoment[i]! + share2 * g * g;
    firstMoment[i] = m;
    secondMoment[i] = v;
    value[i] = kept * value[i]! - (step * m) / (Math.sqrt(v) + epsilon);
  }
}
