import { describe, expect, test } from "vitest";
import * as g from "../graph/index.ts";
import { toOnnx } from "../graph/index.ts";
import { fillNormal } from "../random.ts";
import { float32, floats, type HostTensors } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { quantize } from "./weights.ts";

const runtime = nodeRuntime({ threads: 1 });

const normals = (size: number, key: number): Float32Array => {
  const values = new Float32Array(size);
  fillNormal(values, 1, key);
  return values;
};

/** [K, N] as its codes and scales stand for it. */
function restored(weight: Float32Array, outputs: number, quantization: g.Quantization): Float32Array {
  const { codes, scales, blocks } = quantize(weight, outputs, quantization);
  const { bits, blockSize, inputs } = quantization;
  return Float32Array.from({ length: inputs * outputs }, (_, i) => {
    const [k, n] = [Math.floor(i / outputs), i % outputs];
    const at = (n * blocks + Math.floor(k / blockSize)) * blockSize + (k % blockSize);
    const code = bits === 8 ? codes[at]! : (codes[at >> 1]! >> (4 * (at % 2))) & 15;
    return scales[n * blocks + Math.floor(k / blockSize)]! * (code - 2 ** (bits - 1));
  });
}

describe.each([
  { bits: 8, blockSize: 16, inputs: 32 },
  { bits: 4, blockSize: 16, inputs: 32 },
  { bits: 8, blockSize: 128, inputs: 40 },
  { bits: 4, blockSize: 32, inputs: 72 },
] as const)("%o", (quantization) => {
  const { bits, blockSize, inputs } = quantization;
  const outputs = 5;
  const weight = normals(inputs * outputs, 1);

  test("no element is farther off than half a scale, or one at the end of the range", () => {
    const values = restored(weight, outputs, quantization);
    const { scales, blocks } = quantize(weight, outputs, quantization);
    for (const [i, value] of values.entries()) {
      const scale = Math.abs(scales[(i % outputs) * blocks + Math.floor(i / outputs / blockSize)]!);
      const isExtreme = Math.abs(weight[i]!) > (2 ** (bits - 1) - 1) * scale;
      expect(Math.abs(value - weight[i]!)).toBeLessThanOrEqual((isExtreme ? 1 : 0.5) * scale * (1 + 1e-5));
    }
  });

  const product = async (target: "fused" | "standard", x: Float32Array, rows: number): Promise<Float32Array> => {
    const { codes, scales, blocks } = quantize(weight, outputs, quantization);
    const input = g.input("float32", ["rows", inputs]);
    const w = g.dequantize(
      g.constant("uint8", [outputs, blocks, (blockSize * bits) / 8], codes),
      g.constant("float32", [outputs, blocks], scales),
      quantization,
    );
    const y =
      target === "fused"
        ? g.matmul(input, w)
        : g.matmul(g.reshape(input, ["rows", inputs]), g.transpose(g.transpose(w, [1, 0]), [1, 0]));
    const executor = await runtime.compile({ name: "product", inputs: { x: input }, outputs: { y } });
    const outputsOf: HostTensors = await executor.run({ x: float32([rows, inputs], x) });
    await executor.dispose();
    return floats(outputsOf, "y");
  };

  test("the product is the one with the restored weights", async () => {
    const rows = 3;
    const x = normals(rows * inputs, 2);
    const values = restored(weight, outputs, quantization);
    const expected = Float32Array.from({ length: rows * outputs }, (_, i) => {
      const [row, column] = [Math.floor(i / outputs), i % outputs];
      let total = 0;
      for (let k = 0; k < inputs; k++) total += x[row * inputs + k]! * values[k * outputs + column]!;
      return total;
    });
    for (const [i, y] of (await product("standard", x, rows)).entries()) expect(y).toBeCloseTo(expected[i]!, 4);
    // Rows are rounded to 8 bits: about 1/254 of their largest element each.
    for (const [i, y] of (await product("fused", x, rows)).entries())
      expect(Math.abs(y - expected[i]!)).toBeLessThan(0.15);
  });

  test("the file for any ONNX tool has no operator of ONNX Runtime's own", () => {
    const { codes, scales, blocks } = quantize(weight, outputs, quantization);
    const x = g.input("float32", ["rows", inputs]);
    const w = g.dequantize(
      g.constant("uint8", [outputs, blocks, (blockSize * bits) / 8], codes),
      g.constant("float32", [outputs, blocks], scales),
      quantization,
    );
    const graph = { name: "product", inputs: { x }, outputs: { y: g.matmul(x, w) } };
    const text = (target: "standard" | "onnxruntime") => Buffer.from(toOnnx(graph, { target })).toString("latin1");
    expect(text("onnxruntime")).toContain("MatMulNBits");
    expect(text("standard")).not.toContain("com.microsoft");
  });
});
