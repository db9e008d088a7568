import { type DType, input, stack, type Tensor } from "../graph/index.ts";
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

/** A parameter that stands for several experts has a part for each. */
export const partNames = ({ name, shape }: ParameterSpec): string[] =>
  shape.length < 3 ? [] : Array.from({ length: shape[0]! }, (_, i) => `value.${name}.${i}`);

/**
 * The inputs of a graph that is fed its parameters, the weights of each expert by themselves: whoever needs one of them need not copy
 * it out of all. `values` are the parameters as tensors, named `value.NAME`.
 */
export function separateInputs(specs: readonly ParameterSpec[], precision: Precision) {
  const inputs: Record<string, Tensor> = {};
  const values: Record<string, Tensor> = {};
  for (const spec of specs) {
    const parts = partNames(spec).map((name) => [name, input(precision, spec.shape.slice(1))] as const);
    const whole = parts.length > 0 ? stack(parts.map(([, part]) => part)) : input(precision, spec.shape);
    values[`value.${spec.name}`] = whole;
    for (const [name, part] of parts.length > 0 ? parts : [[`value.${spec.name}`, whole] as const]) inputs[name] = part;
  }
  return { inputs, values };
}

/** The model's tree of parameters, out of tensors named `value.NAME`. */
export const parameterTensors = (
  config: ModelConfig,
  named: Readonly<Record<string, Tensor>>,
): TransformerParameters<Tensor> => mapParameters(transformerParameters(config), ({ name }) => named[`value.${name}`]!);
