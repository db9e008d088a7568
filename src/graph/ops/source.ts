import { applyOne, type Operation } from "../operation.ts";
import {
  ARRAY_TYPE,
  bytesOf,
  type DType,
  GraphError,
  isFloat,
  type Shape,
  staticSize,
  type Tensor,
  type TensorType,
} from "../tensor.ts";

/** A tensor that is fed when the graph runs. Named by the definition that lists it. */
export const input = (dtype: DType, shape: Shape): Tensor => applyOne(inputOperation, [], { dtype, shape });

const inputOperation: Operation<TensorType> = {
  name: "input",
  infer: (_, type) => [type],
};

/**
 * A constant tensor of static shape; `values` are row-major, and a single value fills the shape. A typed array of the tensor's
 * type is used as it is, so it must not change later.
 *
 * @param name its name in the ONNX file; of one constant only
 */
export function constant(
  dtype: DType,
  shape: readonly number[],
  values: ArrayLike<number> | number,
  name?: string,
): Tensor {
  const size = staticSize("constant", shape);
  if (typeof values !== "number" && values.length !== size) {
    throw new GraphError("constant", `shape [${shape.join(", ")}] needs ${size} values`, `${values.length} values`);
  }
  if (values instanceof ARRAY_TYPE[dtype]) {
    return applyOne(constantOperation, [], { dtype, shape, bytes: bytesOf(values), name });
  }
  const array = new ARRAY_TYPE[dtype](size);
  for (let i = 0; i < size; i++) {
    const value = typeof values === "number" ? values : values[i]!;
    array[i] = dtype === "int64" ? BigInt(value) : value;
  }
  return applyOne(constantOperation, [], { dtype, shape, bytes: bytesOf(array), name });
}

/** A constant of rank 0. */
export const scalar = (dtype: DType, value: number): Tensor => constant(dtype, [], [value]);

/** The number that a constant of rank 0 and a float type holds; undefined for every other tensor. */
export function numberOf(x: Tensor): number | undefined {
  if (x.node.operation !== constantOperation || x.shape.length !== 0 || !isFloat(x.dtype)) return undefined;
  const { bytes } = x.node.attributes as { bytes: Uint8Array };
  return new ARRAY_TYPE[x.dtype](bytes.slice().buffer)[0] as number;
}

interface ConstantAttributes {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly name: string | undefined;
}

const constantOperation: Operation<ConstantAttributes> = {
  name: "constant",
  infer: (_, { dtype, shape }) => [{ dtype, shape }],
  emit: (emitter, { attributes: { dtype, shape, bytes, name } }) => [emitter.constant(dtype, shape, bytes, name)],
};

/** A tensor without elements: its symbolic dimensions are 0. */
export const empty = (dtype: DType, shape: Shape): Tensor => applyOne(emptyOperation, [], { dtype, shape });

const emptyOperation: Operation<TensorType> = {
  name: "empty",
  infer: (_, type) => {
    if (type.shape.every((dim) => typeof dim === "number")) {
      throw new GraphError("empty", "needs a symbolic dimension", [type]);
    }
    return [type];
  },
  emit: (emitter, { attributes: { dtype, shape } }) => [
    emitter.constant(
      dtype,
      (shape as Shape).map((dim) => (typeof dim === "number" ? dim : 0)),
      new Uint8Array(0),
    ),
  ],
};
