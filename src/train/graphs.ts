import { add, concat, differentiate, type GraphDefinition, input, mul, reshape, type Tensor } from "../graph/index.ts";
import { derived, type ModelConfig } from "../model/config.ts";
import { type Precision, parameterInputs, parameterTensors } from "../model/parameterInputs.ts";
import { type ParameterSpec, parameterList } from "../model/parameters.ts";
import { type Objective, objective } from "./objective.ts";
import { adamW, type GradientNorms, type OptimizerConfig, type ParameterState } from "./optimizer.ts";

/**
 * The graphs of training. One step is either the whole (`trainStepGraph`), or apart: gradients of one micro-batch added to a
 * sum (`gradientGraph`, any number of times, on any number of workers), then one update (`updateGraph`).
 *
 * Names of inputs and outputs: `value.NAME`, `firstMoment.NAME`, `secondMoment.NAME`, `gradient.NAME` for each parameter;
 * an output of the same meaning has `next.` before it.
 */

export const STATE_KINDS = ["value", "firstMoment", "secondMoment"] as const;
export type StateKind = (typeof STATE_KINDS)[number];

/** Scalars of the loss, as they stand in the output `losses` [4]. */
export const LOSSES = ["lm", "auxiliary", "predictor", "zLoss"] as const;

/** Forward and backward pass, gradients added to what `gradient.*` holds, times `scale`. */
export function gradientGraph(
  config: ModelConfig,
  batchSize: number,
  precision: Precision = "float32",
): GraphDefinition {
  const specs = parameterList(config);
  const values = parameterInputs(config, "value", precision);
  const sums = parameterInputs(config, "gradient", precision);
  const scale = input(precision, []);
  const { batch, parts, gradients } = lossAndGradients(config, batchSize, values, precision);
  const next = Object.fromEntries(
    specs.map(({ name }, i) => [`next.gradient.${name}`, add(sums[`gradient.${name}`]!, mul(gradients[i]!, scale))]),
  );
  return {
    name: "gradient",
    inputs: { ...batch, scale, ...values, ...sums },
    outputs: { ...lossOutputs(parts), ...next },
  };
}

/** The update alone: gradients and state in, state out. */
export function updateGraph(
  config: ModelConfig,
  optimizer: OptimizerConfig,
  precision: Precision = "float32",
): GraphDefinition {
  const specs = parameterList(config);
  const state = stateInputs(config, precision);
  const gradients = parameterInputs(config, "gradient", precision);
  const { scalars, outputs } = update(specs, state, Object.values(gradients), optimizer, precision);
  return { name: "update", inputs: { ...scalars, ...state, ...gradients }, outputs };
}

/** Forward, backward, clipping and AdamW as one graph. */
export function trainStepGraph(
  config: ModelConfig,
  batchSize: number,
  optimizer: OptimizerConfig,
  precision: Precision = "float32",
): GraphDefinition {
  const specs = parameterList(config);
  const state = stateInputs(config, precision);
  const { batch, parts, gradients } = lossAndGradients(config, batchSize, state, precision);
  const { scalars, outputs } = update(specs, state, gradients, optimizer, precision);
  return {
    name: "trainStep",
    inputs: { ...batch, ...scalars, ...state },
    outputs: { ...lossOutputs(parts), ...outputs },
  };
}

type Named = Readonly<Record<string, Tensor>>;

const stateInputs = (config: ModelConfig, precision: Precision): Named =>
  Object.assign({}, ...STATE_KINDS.map((kind) => parameterInputs(config, kind, precision)));

/** Inputs of a batch, the loss and its gradient for each parameter in the order of `parameterList`. */
export function lossAndGradients(config: ModelConfig, batchSize: number, values: Named, precision: Precision) {
  const specs = parameterList(config);
  const shape = [batchSize, config.seqLen];
  const tokens = input("int32", shape);
  const targets = input("int32", shape);
  const documents = input("int32", shape);
  const noise = needsNoise(config) ? { noise: input(precision, [...shape, derived(config).nRouted]) } : {};
  const batch = { tokens, targets, documents, ...noise };
  const parts = objective(parameterTensors(config, values), batch, config);
  const gradients = differentiate(
    parts.total,
    specs.map(({ name }) => values[`value.${name}`]!),
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

const lossOutputs = (parts: Objective): Named => ({
  losses: vector(LOSSES.map((name) => parts[name])),
  ...(parts.routing && { routing: parts.routing }),
});

function update(
  specs: readonly ParameterSpec[],
  state: Named,
  gradients: readonly Tensor[],
  optimizer: OptimizerConfig,
  precision: Precision,
) {
  const scalars = { learningRate: input(precision, []), stepSize: input(precision, []), epsilon: input(precision, []) };
  const states = specs.map(
    ({ name }) =>
      Object.fromEntries(
        STATE_KINDS.map((kind) => [kind, state[`${kind}.${name}`]!]),
      ) as unknown as ParameterState<Tensor>,
  );
  const { next, norms } = adamW(specs, states, gradients, scalars, optimizer);
  const nextState = specs.flatMap(({ name }, i) =>
    STATE_KINDS.map((kind) => [`next.${kind}.${name}`, next[i]![kind]] as const),
  );
  return { scalars, outputs: { ...normOutputs(norms), ...Object.fromEntries(nextState) } };
}

const normOutputs = ({ main, predictor }: GradientNorms): Named => ({
  gradientNorm: main,
  ...(predictor && { predictorGradientNorm: predictor }),
});
