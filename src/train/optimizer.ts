import { add, div, minimum, mul, scalar, sqrt, sub, sumOfSquares, type Tensor } from "../graph/index.ts";
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
 * What changes with the step, computed on the host in double precision and fed as scalars. With bias corrections
 * cᵢ = 1 − βᵢᵗ, AdamW's step lr/c₁·m / (√(v/c₂) + ε) is `stepSize`·m / (√v + `epsilon`).
 */
export interface StepScalars<T> {
  readonly learningRate: T;
  readonly stepSize: T;
  readonly epsilon: T;
}

/** Scalars of update number `step`, from 1. */
export function stepScalars(step: number, learningRate: number, config: OptimizerConfig): StepScalars<number> {
  const correction1 = 1 - config.beta1 ** step;
  const correction2 = Math.sqrt(1 - config.beta2 ** step);
  return {
    learningRate,
    stepSize: (learningRate * correction2) / correction1,
    epsilon: config.epsilon * correction2,
  };
}

/** A parameter and its two moments. */
export interface ParameterState<T> {
  readonly value: T;
  readonly firstMoment: T;
  readonly secondMoment: T;
}

/** Norm of the gradients of each group that is clipped by itself, before clipping. */
export interface GradientNorms {
  readonly main: Tensor;
  /** Absent where the model has no predictor. */
  readonly predictor?: Tensor;
}

/**
 * One update by AdamW (Loshchilov & Hutter 2019) with clipping by global norm. The predictor's gradients are clipped as a
 * group of their own: whether it is there must not change the language model's updates.
 */
export function adamW(
  specs: readonly ParameterSpec[],
  states: readonly ParameterState<Tensor>[],
  gradients: readonly Tensor[],
  scalars: StepScalars<Tensor>,
  config: OptimizerConfig,
): { readonly next: ParameterState<Tensor>[]; readonly norms: GradientNorms } {
  const isPredictor = specs.map(({ role }) => role === "predictor");
  const main = globalNorm(gradients.filter((_, i) => !isPredictor[i]));
  const others = gradients.filter((_, i) => isPredictor[i]);
  const predictor = others.length === 0 ? undefined : globalNorm(others);
  const clip = { main: clipFactor(main, config), predictor: predictor && clipFactor(predictor, config) };
  const next = states.map((state, i) =>
    updateParameter(specs[i]!, state, gradients[i]!, isPredictor[i] ? clip.predictor : clip.main, scalars, config),
  );
  return { next, norms: { main, ...(predictor && { predictor }) } };
}

const globalNorm = (gradients: readonly Tensor[]): Tensor =>
  sqrt(gradients.map((gradient) => sumOfSquares(gradient)).reduce((a, b) => add(a, b)));

/** min(1, clipNorm / norm), or undefined for 1. */
function clipFactor(norm: Tensor, { clipNorm }: OptimizerConfig): Tensor | undefined {
  if (clipNorm === null) return undefined;
  // The small constant keeps 0 / 0 away, as PyTorch's clip_grad_norm_ does.
  return minimum(div(scalar(norm.dtype, clipNorm), add(norm, 1e-6)), scalar(norm.dtype, 1));
}

function updateParameter(
  spec: ParameterSpec,
  { value, firstMoment, secondMoment }: ParameterState<Tensor>,
  gradient: Tensor,
  clip: Tensor | undefined,
  { learningRate, stepSize, epsilon }: StepScalars<Tensor>,
  config: OptimizerConfig,
): ParameterState<Tensor> {
  const { beta1, beta2, weightDecay } = config;
  // Scalars are joined before they meet a tensor: every operation on a tensor is a pass over memory.
  const one = scalar(value.dtype, 1);
  const factor = clip ?? one;
  const m = add(mul(firstMoment, beta1), mul(gradient, mul(factor, 1 - beta1)));
  const v = add(mul(secondMoment, beta2), mul(mul(gradient, gradient), mul(mul(factor, factor), 1 - beta2)));
  const rate = spec.role === "router" ? config.routerRate : 1;
  const step = div(mul(m, mul(stepSize, rate)), add(sqrt(v), epsilon));
  const decays = weightDecay > 0 && config.decay.includes(spec.role);
  const kept = decays ? mul(value, sub(1, mul(learningRate, rate * weightDecay))) : value;
  return { value: sub(kept, step), firstMoment: m, secondMoment: v };
}
