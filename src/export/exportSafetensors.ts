import { writeFileSync } from "node:fs";
import path from "node:path";
import { parameterList } from "../model/parameters.ts";
import type { NamedArrays } from "../notation.ts";
import { writeSafetensorsFile } from "../run/safetensorsFile.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { floats } from "../runtime/executor.ts";
import { type ExportedFile, writeExport } from "./exportFolder.ts";

export interface ExportSafetensorsOptions {
  readonly packageVersion: string;
  /** Replaces an earlier export. */
  readonly force?: boolean;
}

/** Writes a model's weights as `model.safetensors`, its configuration and its tokenizer; docs/MODEL.md names the arrays. */
export function exportSafetensors(
  dir: string,
  { model, tokenizer, parameters, step }: Pick<SavedModel, "model" | "tokenizer" | "parameters" | "step">,
  { packageVersion, force = false }: ExportSafetensorsOptions,
): ExportedFile[] {
  const arrays: NamedArrays = new Map(
    parameterList(model).map(({ name, shape }) => [name, { shape, data: floats(parameters, `value.${name}`) }]),
  );
  const metadata = { format: "mixture-of-depths", packageVersion, step: String(step) };
  return writeExport(dir, force, (folder) => {
    writeSafetensorsFile(path.join(folder, "model.safetensors"), arrays, metadata);
    writeFileSync(path.join(folder, "config.json"), `${JSON.stringify(model, null, 2)}\n`);
    writeFileSync(path.join(folder, "tokenizer.json"), JSON.stringify(tokenizer.toJson()));
  });
}
