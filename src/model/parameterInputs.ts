import { type DType, input, type Tensor } from "../graph/index.ts";
import type { ModelConfig } from "./config.ts";
import { mapParameters, type ParameterSpec, type TransformerParameters, transformerParameters } from "./parameters.ts";

/** Types that a graph is built in: double precision is for checks. */
export type Precision = Extract<DType, "float32" | "float64">;

/** A graph input of each parameter's shape, named `KIND.NAME`. */
export const parameterInputs = (
  specs: readonly ParameterSpec[],
  kind: string,
  precision: Precision,
): Record<string, Tensor> =>
  Object.fromEntries(specs.map(({ name, shape }) => [`${kind}.${name}`, input(precision, shape)]));

/** The model's tree of parameters, out of tensors named `value.NAME`. */
export const parameterTensors = (
  config: ModelConfig,
  named: Readonly<Record<string, Tensor>>,
): TransformerParameters<Tensor> => mapParameters(transformerParameters(config), ({ name }) => named[`value.${name}`]!);
