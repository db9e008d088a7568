import { expect } from "vitest";
import type { HostTensor, HostTensors } from "../../runtime/executor.ts";
import { nodeRuntime } from "../../runtime/node.ts";
import {
  ARRAY_TYPE,
  constant,
  type DType,
  differentiate,
  type GraphDefinition,
  input,
  mul,
  sum,
  type Tensor,
} from "../index.ts";

/** One thread; double precision must not be fused. */
export const compileFor = (precision: "float32" | "float64", definition: GraphDefinition) =>
  nodeRuntime({ threads: 1, optimization: precision === "float64" ? "basic" : "all" }).compile(definition);

/** Runs a graph once on the CPU and returns its outputs. */
export async function evaluate(
  definition: GraphDefinition,
  feeds: HostTensors = {},
  precision: "float32" | "float64" = "float32",
): Promise<HostTensors> {
  const executor = await compileFor(precision, definition);
  try {
    return await executor.run(feeds);
  } finally {
    await executor.dispose();
  }
}

/** A host tensor of any type from plain numbers. */
export function host(dtype: DType, shape: readonly number[], values: readonly number[]): HostTensor {
  if (dtype === "int64") return { dtype, shape, data: BigInt64Array.from(values, BigInt) };
  return { dtype, shape, data: ARRAY_TYPE[dtype].from(values) };
}

export interface CheckedInput {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** Not differentiated: positions, ids, masks. */
  readonly dtype?: "int64" | "int32" | "bool";
  /** Not differentiated, though a float. */
  readonly isConstant?: boolean;
}

const isVariable = ({ dtype, isConstant }: CheckedInput): boolean => dtype === undefined && isConstant !== true;

/** Deterministic values in (-1, 1), different for each seed, none near 0 or near another. */
export const wave = (size: number, seed = 1): number[] =>
  Array.from(
    { length: size },
    (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.9 + 0.05 * Math.sign(Math.sin(i + seed)),
  );

export const ramp = (shape: readonly number[], seed = 1): CheckedInput => ({
  shape,
  values: wave(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
});

/** Largest |a - b| relative to max(1, |b|), with where it is: closeness failures name the worst element. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "values",
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let worst = { index: -1, error: 0 };
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (error > worst.error || Number.isNaN(error)) worst = { index: i, error };
    if (Number.isNaN(error)) break;
  }
  const { index, error } = worst;
  expect(error <= tolerance, `${what}[${index}]: ${actual[index]} should be ${expected[index]} (error ${error})`).toBe(
    true,
  );
}

type Formula = (inputs: Tensor[]) => Tensor;

/** Loss Σ w·f(inputs) with fixed uneven weights w, its gradients, and f itself, in one precision. */
export function lossGraph(precision: "float32" | "float64", inputs: readonly CheckedInput[], formula: Formula) {
  const tensors = inputs.map(({ dtype, shape }) => input(dtype ?? precision, shape));
  const y = formula(tensors);
  const size = y.shape.reduce<number>((a, b) => a * (b as number), 1);
  const loss = sum(mul(y, constant(y.dtype, y.shape as number[], wave(size, 7))));
  const variables = tensors.filter((_, i) => isVariable(inputs[i]!));
  const named = Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor]));
  return { named, y, loss, gradients: differentiate(loss, variables) };
}

/**
 * Checks an operation three ways: analytic gradients against central differences in double precision, and the float32 form
 * (with ONNX Runtime's fused operators) against the double-precision form (made of standard ones), values and gradients.
 */
export async function checkGradients(
  inputs: readonly CheckedInput[],
  formula: Formula,
  tolerance = 1e-6,
): Promise<void> {
  const feeds = (precision: DType) =>
    Object.fromEntries(inputs.map((x, i) => [`x${i}`, host(x.dtype ?? precision, x.shape, x.values)]));
  const outputsOf = async (precision: "float32" | "float64") => {
    const { named, y, gradients } = lossGraph(precision, inputs, formula);
    const outputs = Object.fromEntries(gradients.map((gradient, i) => [`gradient ${i}`, gradient]));
    return evaluate({ name: "gradients", inputs: named, outputs: { y, ...outputs } }, feeds(precision), precision);
  };
  const double = await outputsOf("float64");
  const single = await outputsOf("float32");
  for (const [name, { data }] of Object.entries(double)) {
    expectClose(single[name]!.data as Float32Array, data as Float64Array, 2e-5, `float32 ${name}`);
  }

  const { named, loss } = lossGraph("float64", inputs, formula);
  const executor = await compileFor("float64", { name: "loss", inputs: named, outputs: { loss } });
  const lossAt = async (changed: HostTensors) =>
    (await executor.run({ ...feeds("float64"), ...changed })).loss!.data[0] as number;
  const variables = inputs.map((x, i) => ({ ...x, name: `x${i}` })).filter(isVariable);
  for (const [number, { name, shape, values }] of variables.entries()) {
    const numeric = [];
    for (let i = 0; i < values.length; i++) {
      const step = 1e-5;
      const shifted = (by: number) => ({ [name]: host("float64", shape, values.with(i, values[i]! + by)) });
      numeric.push(((await lossAt(shifted(step))) - (await lossAt(shifted(-step)))) / (2 * step));
    }
    expectClose(double[`gradient ${number}`]!.data as Float64Array, numeric, tolerance, `gradient of ${name}`);
  }
  await executor.dispose();
}
