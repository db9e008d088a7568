import { existsSync } from "node:fs";
import { input } from "../../graph/index.ts";
import { nodeRuntime } from "../node.ts";

/** Chromium's software Vulkan (SwiftShader), as Debian installs it: WebGPU on machines without a GPU. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Whether ONNX Runtime finds a WebGPU adapter here, with SwiftShader's help where there is no GPU. */
export async function hasWebGpu(): Promise<boolean> {
  if (existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;
  const x = input("float32", [1]);
  try {
    const executor = await nodeRuntime({ provider: "webgpu" }).compile({
      name: "probe",
      inputs: { x },
      outputs: { y: x },
    });
    await executor.dispose();
    return true;
  } catch {
    return false;
  }
}
