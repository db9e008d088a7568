import { MICROSOFT } from "../onnx/emitter.ts";
import { applyOne, type Operation } from "../operation.ts";
import { GraphError, staticDim, staticSize, type Tensor } from "../tensor.ts";
import { add, cast, floor, mul, sub } from "./elementwise.ts";
import { concat, reshape, slice, transpose } from "./layout.ts";
import { plainMatmul, productType } from "./product.ts";

/** How a weight [K, N] is stored: in blocks along K, each with a scale of its own. */
export interface Quantization {
  readonly bits: 4 | 8;
  /** Elements of a block; a power of two of at least 16. */
  readonly blockSize: number;
  /** K: the last block is padded where it is not a multiple. */
  readonly inputs: number;
}

/**
 * A quantised weight as a matrix [K, N]: element (k, n) is scale · (code − 2^(bits−1)). The layout is that of ONNX Runtime's
 * `MatMulNBits`.
 *
 * @param codes uint8 [N, blocks, blockSize · bits / 8]: two 4-bit codes a byte, the lower half first
 * @param scales float32 [N, blocks]
 */
export const dequantize = (codes: Tensor, scales: Tensor, quantization: Quantization): Tensor =>
  applyOne(dequantizeOperation, [codes, scales], quantization);

const dequantizeOperation: Operation<Quantization> = {
  name: "dequantize",
  infer: ([codes, scales], { bits, blockSize, inputs }) => {
    const blocks = Math.ceil(inputs / blockSize);
    const [outputs] = codes!.shape;
    const expected = [outputs, blocks, (blockSize * bits) / 8];
    if (
      codes!.dtype !== "uint8" ||
      codes!.shape.join() !== expected.join() ||
      scales!.shape.join() !== `${outputs},${blocks}`
    ) {
      throw new GraphError("dequantize", `needs codes [${expected.join(", ")}] and scales [N, ${blocks}]`, [
        codes!,
        scales!,
      ]);
    }
    return [{ dtype: scales!.dtype, shape: [inputs, outputs!] }];
  },
  decompose: ([codes, scales], { bits, inputs }) => {
    const [outputs, blocks] = codes!.shape as [number, number];
    const bytes = cast(codes!, scales!.dtype);
    const shifted = sub(bits === 8 ? bytes : halves(bytes), 2 ** (bits - 1)); //                   [N, blocks, blockSize]
    const blockSize = staticDim("dequantize", shifted.shape[2]!);
    const weights = mul(shifted, reshape(scales!, [outputs, blocks, 1]));
    const rows = reshape(weights, [outputs, blocks * blockSize]);
    return [transpose(rows.shape[1] === inputs ? rows : slice(rows, 0, inputs, 1), [1, 0])];
  },
};

/** The two 4-bit numbers of each byte, the lower half first: [N, blocks, n] -> [N, blocks, 2n]. */
function halves(bytes: Tensor): Tensor {
  const [outputs, blocks, count] = bytes.shape as [number, number, number];
  const high = floor(mul(bytes, 1 / 16));
  const low = add(bytes, mul(high, -16));
  const pairs = concat(
    [low, high].map((half) => reshape(half, [outputs, blocks, count, 1])),
    3,
  );
  return reshape(pairs, [outputs, blocks, 2 * count]);
}

/** The node of a quantised weight; undefined for every other tensor. */
export const asQuantized = (x: Tensor): Tensor | undefined =>
  x.node.operation === dequantizeOperation ? x : undefined;

/** a [.., K] · a quantised weight [K, N]. No gradient. */
export const quantizedMatmul = (a: Tensor, weight: Tensor): Tensor =>
  applyOne(quantizedMatmulOperation, [a, ...weight.node.inputs], weight.node.attributes as Quantization);

const weightOf = ([, codes, scales]: readonly Tensor[], quantization: Quantization): Tensor =>
  dequantize(codes!, scales!, quantization);

const quantizedMatmulOperation: Operation<Quantization> = {
  name: "quantizedMatmul",
  infer: (inputs, quantization) => [productType("quantizedMatmul", inputs[0]!, weightOf(inputs, quantization))],
  // Accuracy level 4 multiplies in 8-bit integers: of the levels the only one that is faster than float32 here.
  emit: (emitter, { inputs: [, codes], attributes: { bits, blockSize, inputs } }, names) =>
    emitter.add("MatMulNBits", names, {
      domain: MICROSOFT,
      attributes: { K: inputs, N: codes!.shape[0] as number, bits, block_size: blockSize, accuracy_level: 4 },
    }),
  decompose: (inputs, quantization) => [
    plainMatmul(inputs[0]!, dequantizeOperation.decompose!(inputs.slice(1), quantization)[0]!),
  ],
  flops: ({ inputs: [a, codes] }) => 2 * staticSize("quantizedMatmul", [...a!.shape, codes!.shape[0]!]),
};
