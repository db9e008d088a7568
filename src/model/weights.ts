import { constant, dequantize, type Quantization, stack, type Tensor } from "../graph/index.ts";
import type { ModelConfig } from "./config.ts";
import { type ParameterSpec, parameterList } from "./parameters.ts";

/** How the weights of products are stored while decoding. */
export const WEIGHT_FORMATS = ["float32", "int8", "int4"] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];
export type QuantizedFormat = Exclude<WeightFormat, "float32">;

/** Larger blocks are faster, smaller ones closer to the weights: with 8 bits there is little to gain. */
export const QUANTIZATION = { int8: { bits: 8, blockSize: 128 }, int4: { bits: 4, blockSize: 32 } } as const;

/** Whether a parameter is quantised: the weights of large products are, what decides and what is looked up is not. */
export const isQuantized = ({ role }: ParameterSpec): boolean => role === "matrix";

/**
 * Parameters as constants of a graph, named `value.NAME`; `data` gives each one's values. In the ONNX file they are called
 * NAME, and quantised ones NAME.codes and NAME.scales.
 */
export const constantParameters = (
  config: ModelConfig,
  data: (name: string) => Float32Array,
  format: WeightFormat = "float32",
): Record<string, Tensor> =>
  Object.fromEntries(
    parameterList(config).map((spec) => {
      const tensorOf = (part: MatrixPart) =>
        format === "float32" || !isQuantized(spec)
          ? constant("float32", part.shape, part.values, part.name)
          : quantizedConstant(part, format);
      return [`value.${spec.name}`, byMatrix(spec, data(spec.name), tensorOf)];
    }),
  );

/** A parameter, or the part of it that belongs to one expert. */
interface MatrixPart {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** One tensor of a parameter; of one that stands for several experts a stack of theirs, so that each can be used, and stored, alone. */
function byMatrix(spec: ParameterSpec, values: Float32Array, tensorOf: (part: MatrixPart) => Tensor): Tensor {
  if (spec.shape.length < 3) return tensorOf({ name: spec.name, shape: spec.shape, values });
  return stack(matrixParts(spec, values).map(tensorOf));
}

function matrixParts({ name, shape }: ParameterSpec, values: Float32Array): MatrixPart[] {
  const [count, ...rest] = shape as [number, ...number[]];
  const size = values.length / count;
  return Array.from({ length: count }, (_, i) => ({
    name: `${name}.${i}`,
    shape: rest,
    values: values.subarray(i * size, (i + 1) * size),
  }));
}

function quantizedConstant({ name, shape, values }: MatrixPart, format: QuantizedFormat): Tensor {
  const [inputs, outputs] = shape as readonly [number, number];
  const quantization: Quantization = { ...QUANTIZATION[format], inputs };
  const { codes, scales, blocks } = quantize(values, outputs, quantization);
  const bytes = (quantization.blockSize * quantization.bits) / 8;
  return dequantize(
    constant("uint8", [outputs, blocks, bytes], codes, `${name}.codes`),
    constant("float32", [outputs, blocks], scales, `${name}.scales`),
    quantization,
  );
}

/** The values that a parameter has once it is quantised; those of one that is not stay as they are. */
export function roundedValues(spec: ParameterSpec, values: Float32Array, format: QuantizedFormat): Float32Array {
  if (!isQuantized(spec)) return values;
  if (spec.shape.length < 3) return roundedMatrix({ ...spec, values }, format);
  const rounded = new Float32Array(values.length);
  let at = 0;
  for (const part of matrixParts(spec, values)) {
    rounded.set(roundedMatrix(part, format), at);
    at += part.values.length;
  }
  return rounded;
}

function roundedMatrix({ shape, values }: MatrixPart, format: QuantizedFormat): Float32Array {
  const [inputs, outputs] = shape as [number, number];
  const { bits, blockSize } = QUANTIZATION[format];
  const { codes, scales, blocks } = quantize(values, outputs, { bits, blockSize, inputs });
  const middle = 2 ** (bits - 1);
  return values.map((_, i) => {
    const [k, column] = [Math.floor(i / outputs), i % outputs];
    const block = column * blocks + Math.floor(k / blockSize);
    const at = block * blockSize + (k % blockSize);
    const code = bits === 8 ? codes[at]! : (codes[at >> 1]! >> (4 * (at % 2))) & 15;
    return (code - middle) * scales[block]!;
  });
}

/**
 * Codes and scales of a weight [K, N], as `dequantize` reads them. The element of largest magnitude in a block gets the
 * code 0, the only one that has no counterpart of the other sign: so the whole range is used.
 */
export function quantize(weight: Float32Array, outputs: number, { bits, blockSize, inputs }: Quantization) {
  const blocks = Math.ceil(inputs / blockSize);
  const middle = 2 ** (bits - 1);
  const scales = new Float32Array(outputs * blocks);
  // Padding stands for 0.
  const codes = new Uint8Array((outputs * blocks * blockSize * bits) / 8).fill(bits === 8 ? middle : middle * 17);
  for (let column = 0; column < outputs; column++) {
    for (let block = 0; block < blocks; block++) {
      const [start, end] = [block * blockSize, Math.min(inputs, (block + 1) * blockSize)];
      let extreme = 0;
      for (let k = start; k < end; k++) {
        const value = weight[k * outputs + column]!;
        if (Math.abs(value) > Math.abs(extreme)) extreme = value;
      }
      const scale = -extreme / middle;
      scales[column * blocks + block] = scale;
      if (scale === 0) continue;
      for (let k = start; k < end; k++) {
        const code = Math.min(2 * middle - 1, Math.round(weight[k * outputs + column]! / scale) + middle);
        const at = (column * blocks + block) * blockSize + (k - start);
        if (bits === 8) codes[at] = code;
        else codes[at >> 1] = at % 2 === 0 ? (codes[at >> 1]! & 0xf0) | code : (codes[at >> 1]! & 0x0f) | (code << 4);
      }
    }
  }
  return { codes, scales, blocks };
}
