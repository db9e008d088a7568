import { add, concat, differentiate, type GraphDefinition, input, mul, reshape, type Tensor } from "../graph/index.ts";
import { derived, type ModelConfig } from "../model/config.ts";
import { type Precision, parameterInputs, parameterTensors } from "../model/parameterInputs.ts";
import { parameterList } from "../model/parameters.ts";
import { type Objective, objective } from "./objective.ts";

/**
 * The graph of a training step, which ends at the gradients: the update is a loop (optimizer.ts).
 *
 * Names of inputs and outputs: `value.NAME` and `gradient.NAME` for each parameter, where a sum of gradients goes on;
 * `next.gradient.NAME`, which may be written in the place of that input.
 */

export const MOMENT_KINDS = ["firstMoment", "secondMoment"] as const;
export const STATE_KINDS = ["value", ...MOMENT_KINDS] as const;
export type StateKind = (typeof STATE_KINDS)[number];

/** Scalars of the loss of every model. */
export const LOSSES = ["lm", "auxiliary", "predictor", "zLoss"] as const;
/** Those that layers of experts add: `balance` by token choice, the last two by expert choice. */
export const EXPERT_LOSSES = ["expertZLoss", "balance", "expertAuxiliary", "expertPredictor"] as const;

export type Losses<T> = Readonly<
  Record<(typeof LOSSES)[number], T> & Partial<Record<(typeof EXPERT_LOSSES)[number], T>>
>;

/** The scalars of a model's loss, as they stand in the output `losses`. */
export const lossNames = ({ experts }: ModelConfig): (keyof Losses<unknown>)[] => [
  ...LOSSES,
  ...EXPERT_LOSSES.filter((name) => {
    if (experts === undefined) return false;
    if (name === "expertZLoss") return true;
    if (name === "balance") return experts.choice === "token";
    return experts.choice === "expert" && (name === "expertAuxiliary" || experts.predictor !== null);
  }),
];

export interface GradientGraphOptions {
  /** Factor on the loss: the share of these sequences in all of the update. */
  readonly share?: number;
  /** Adds the gradients to what `gradient.*` holds. */
  readonly accumulating?: boolean;
}

/** Forward and backward pass of a batch, without the update. */
export function gradientGraph(
  config: ModelConfig,
  batchSize: number,
  { share = 1, accumulating = false }: GradientGraphOptions = {},
  precision: Precision = "float32",
): GraphDefinition {
  const specs = parameterList(config);
  const values = parameterInputs(specs, "value", precision);
  const sums = accumulating ? parameterInputs(specs, "gradient", precision) : {};
  const { batch, parts, gradients } = lossAndGradients(config, batchSize, values, precision, share);
  const next = specs.map(({ name }, i) => {
    const sum = sums[`gradient.${name}`];
    return [`next.gradient.${name}`, sum === undefined ? gradients[i]! : add(sum, gradients[i]!)] as const;
  });
  return {
    name: "gradient",
    inputs: { ...batch, ...values, ...sums },
    outputs: { ...lossOutputs(parts, config), ...Object.fromEntries(next) },
  };
}

type Named = Readonly<Record<string, Tensor>>;

/**
 * Inputs of a batch, the parts of its loss, and the gradient of `share` times the loss for each parameter in the order of
 * `parameterList`.
 */
export function lossAndGradients(
  config: ModelConfig,
  batchSize: number,
  values: Named,
  precision: Precision,
  share = 1,
) {
  const shape = [batchSize, config.seqLen];
  const tokens = input("int32", shape);
  const targets = input("int32", shape);
  const documents = input("int32", shape);
  const noise = needsNoise(config) ? { noise: input(precision, [...shape, derived(config).nRouted]) } : {};
  const batch = { tokens, targets, documents, ...noise };
  const parts = objective(parameterTensors(config, values), batch, config);
  const gradients = differentiate(
    mul(parts.total, share),
    parameterList(config).map(({ name }) => values[`value.${name}`]!),
  );
  return { batch: batch as Named, parts, gradients };
}

/** Whether a training batch brings random router weights. */
export const needsNoise = ({ routing }: ModelConfig): boolean => routing.kind === "random";

const vector = (scalars: readonly Tensor[]): Tensor =>
  concat(
    scalars.map((x) => reshape(x, [1])),
    0,
  );

const lossOutputs = (parts: Objective, config: ModelConfig): Named => ({
  losses: vector(lossNames(config).map((name) => parts[name]!)),
  ...(parts.routing && { routing: parts.routing }),
  ...(parts.experts && { experts: parts.experts }),
});
