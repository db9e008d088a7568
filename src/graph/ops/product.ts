import { applyOne, type Operation } from "../operation.ts";
import { broadcastShapes, type Dim, GraphError, type Tensor, type TensorType } from "../tensor.ts";

/** [rows, columns] of a matrix operand as it enters a product. */
export const matrixDims = (x: Tensor, transposed: boolean): [Dim, Dim] => {
  const [rows, columns] = x.shape.slice(-2) as [Dim, Dim];
  return transposed ? [columns, rows] : [rows, columns];
};

/** The type of op(A)·op(B) over the last two axes, op being the transpose where asked. */
export function productType(where: string, a: Tensor, b: Tensor, transposeA = false, transposeB = false): TensorType {
  if (a.shape.length < 2 || b.shape.length < 2 || a.dtype !== b.dtype) {
    throw new GraphError(where, "needs two operands of one type and at least two axes", [a, b]);
  }
  const [m, k] = matrixDims(a, transposeA);
  const [k2, n] = matrixDims(b, transposeB);
  if (k !== k2) throw new GraphError(where, `inner sizes must agree (${k} and ${k2})`, [a, b]);
  const leading = (x: Tensor) => ({ dtype: x.dtype, shape: x.shape.slice(0, -2) });
  return { dtype: a.dtype, shape: [...broadcastShapes(where, leading(a), leading(b)), m, n] };
}

/** A·B by the standard ONNX operator: what products decompose to. */
export const plainMatmul = (a: Tensor, b: Tensor): Tensor => applyOne(plainMatmulOperation, [a, b], {});

const plainMatmulOperation: Operation<object> = {
  name: "MatMul",
  infer: ([a, b]) => [productType("MatMul", a!, b!)],
  emit: (emitter, _, inputs) => emitter.add("MatMul", inputs),
};
