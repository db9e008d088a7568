import { MICROSOFT } from "../onnx/emitter.ts";
import { applyOne, type Operation } from "../operation.ts";
import { multiplyDims, staticSize, type Tensor } from "../tensor.ts";
import { sumTo } from "./broadcast.ts";
import { mul, withoutFactor } from "./elementwise.ts";
import { reshape, transpose } from "./layout.ts";
import { matrixDims, plainMatmul, productType } from "./product.ts";
import { asQuantized, quantizedMatmul } from "./quantized.ts";

interface MatmulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Factor on the product. */
  readonly alpha: number;
}

/**
 * The matrix product α·op(A)·op(B) over the last two axes, op being the transpose where asked. Leading axes broadcast; a
 * two-dimensional B is shared by all of A's rows, whatever their leading axes. Where B is a quantised weight (`dequantize`),
 * rows of A are rounded to 8 bits for the product.
 */
export function matmul(a: Tensor, b: Tensor, options: Partial<MatmulAttributes> = {}): Tensor {
  const quantized = Object.keys(options).length === 0 ? asQuantized(b) : undefined;
  if (quantized !== undefined) return quantizedMatmul(a, quantized);
  return applyOne(matmulOperation, [a, b], { transposeA: false, transposeB: false, alpha: 1, ...options });
}

const swapLast = (x: Tensor): Tensor => {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
};

/** [.., M, K] as [rows, K]: the rows of all leading axes under one another. */
export const flattenRows = (x: Tensor): Tensor => reshape(x, [multiplyDims(x.shape.slice(0, -1)), x.shape.at(-1)!]);

const matmulOperation: Operation<MatmulAttributes> = {
  name: "matmul",
  infer: ([a, b], { transposeA, transposeB }) => [productType("matmul", a!, b!, transposeA, transposeB)],
  gradient: ({ inputs: [a, b], attributes }, [outer]) => {
    const { transposeA, transposeB } = attributes;
    // A constant factor on dy costs a pass over memory there and nothing here.
    const { tensor: dy, factor } = withoutFactor(outer!);
    const alpha = attributes.alpha * factor;
    if (b!.shape.length === 2 && !transposeA) {
      // One weight for all rows: its gradient is one product over them, not a sum of products.
      const [rows, dRows] = [flattenRows(a!), flattenRows(dy)];
      return [
        matmul(dy, b!, { transposeB: !transposeB, alpha }),
        transposeB
          ? matmul(dRows, rows, { transposeA: true, alpha })
          : matmul(rows, dRows, { transposeA: true, alpha }),
      ];
    }
    const da = transposeA
      ? matmul(b!, dy, { transposeA: transposeB, transposeB: true, alpha })
      : matmul(dy, b!, { transposeB: !transposeB, alpha });
    const db = transposeB
      ? matmul(dy, a!, { transposeA: true, transposeB: transposeA, alpha })
      : matmul(a!, dy, { transposeA: !transposeA, alpha });
    return [sumTo(da, a!.shape), sumTo(db, b!.shape)];
  },
  emit: (emitter, { attributes: { transposeA, transposeB, alpha } }, inputs) => {
    if (!transposeA && !transposeB && alpha === 1) return emitter.add("MatMul", inputs);
    return emitter.add("FusedMatMul", inputs, {
      domain: MICROSOFT,
      attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: { float: alpha } },
    });
  },
  decompose: ([a, b], { transposeA, transposeB, alpha }) => {
    const product = plainMatmul(transposeA ? swapLast(a!) : a!, transposeB ? swapLast(b!) : b!);
    return [alpha === 1 ? product : mul(product, alpha)];
  },
  flops: ({ inputs: [a], outputs: [y], attributes }) => {
    const [, k] = matrixDims(a!, attributes.transposeA);
    return 2 * staticSize("matmul", [...y!.shape, k]);
  },
};

/**
 * The product of a matrix and a vector ([.., M, K]·[K, 1], or [1, M]·[M, K]), which stands for a weighted sum: a pass that
 * only reads. Like every sum it counts no FLOPs. No gradient.
 */
export const weightedSum = (a: Tensor, b: Tensor): Tensor =>
  applyOne(weightedSumOperation, [a, b], { transposeA: false, transposeB: false, alpha: 1 });

const weightedSumOperation: Operation<MatmulAttributes> = {
  name: "weightedSum",
  infer: matmulOperation.infer,
  emit: (emitter, _, inputs) => emitter.add("MatMul", inputs),
};
