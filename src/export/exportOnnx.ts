import { writeFileSync } from "node:fs";
import path from "node:path";
import { toOnnx } from "../graph/index.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { type ExportedFile, type ExportFile, writeExport } from "./exportFolder.ts";
import { type DescriptionOptions, describeModel, type ModelDescription } from "./modelDescription.ts";
import { exportedGraphs, GRAPH_FILES } from "./onnxGraphs.ts";
import { readmeOf } from "./readme.ts";

export interface ExportOnnxOptions extends DescriptionOptions {
  /** Replaces an earlier export. */
  readonly force?: boolean;
}

/** What protocol buffers, and so ONNX files, can hold. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Writes a model as `forward.onnx` and `step.onnx`, with all that a program needs to run them beside; see docs/EXPORT.md.
 *
 * @throws where `dir` holds something else, or the weights are more than an ONNX file can hold
 */
export function exportOnnx(
  dir: string,
  saved: Pick<SavedModel, "model" | "tokenizer" | "parameters" | "step">,
  options: ExportOnnxOptions,
): { readonly files: ExportedFile[]; readonly description: ModelDescription } {
  const { rule, weights, target, force = false } = options;
  const graphs = exportedGraphs(saved.model, saved.parameters, rule, weights);
  const description = describeModel(saved, graphs, options);
  const files = writeExport(dir, force, (folder) => {
    const write = (name: ExportFile, content: string | Uint8Array) => writeFileSync(path.join(folder, name), content);
    for (const name of GRAPH_FILES) {
      const bytes = toOnnx(graphs[name], { target });
      if (bytes.byteLength > MAX_FILE_BYTES) {
        throw new Error(
          `export: ${name} must have at most 2 GiB, which is what ONNX files can hold, got ${bytes.byteLength} bytes; ` +
            "quantise the weights, or write safetensors",
        );
      }
      write(name, bytes);
    }
    write("tokenizer.json", JSON.stringify(saved.tokenizer.toJson()));
    write("model.json", `${JSON.stringify(description, null, 2)}\n`);
    write("README.md", readmeOf(description));
  });
  return { files, description };
}
