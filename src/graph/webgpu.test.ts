import { describe, test } from "vitest";
import { nodeRuntime } from "../runtime/node.ts";
import { hasWebGpu } from "../runtime/testing/webgpu.ts";
import { expectClose, host, lossGraph } from "./testing/gradientCheck.ts";
import { operationCases } from "./testing/operationCases.ts";

/** WebGPU has no double precision, which this case casts to. */
const WITHOUT_WEBGPU = ["cast"];

describe.skipIf(!(await hasWebGpu()))("WebGPU gives the CPU's values and gradients (needs WebGPU)", () => {
  for (const [name, [inputs, formula]] of Object.entries(operationCases)) {
    if (WITHOUT_WEBGPU.includes(name)) continue;
    test(name, async () => {
      const { named, y, gradients } = lossGraph("float32", inputs, formula);
      const outputs = { y, ...Object.fromEntries(gradients.map((gradient, i) => [`gradient ${i}`, gradient])) };
      const feeds = Object.fromEntries(inputs.map((x, i) => [`x${i}`, host(x.dtype ?? "float32", x.shape, x.values)]));
      const run = async (provider: "cpu" | "webgpu") => {
        const executor = await nodeRuntime({ provider, threads: 1 }).compile({ name, inputs: named, outputs });
        const results = await executor.run(feeds);
        await executor.dispose();
        return results;
      };
      const [cpu, webgpu] = [await run("cpu"), await run("webgpu")];
      for (const key of Object.keys(outputs)) {
        expectClose(webgpu[key]!.data as Float32Array, cpu[key]!.data as Float32Array, 1e-5, key);
      }
    });
  }
});
