import { readFileSync } from "node:fs";
import path from "node:path";
import type { RunConfig } from "../config/runConfig.ts";
import { DATA_FILES, type PreparedData } from "../data/openData.ts";
import type { JsonObject } from "../run/json.ts";
import { createRun } from "../run/runFolder.ts";

/** Makes the run folder of a new run. Its configuration names its files absolutely and its vocabulary's size. */
export function startRun(dir: string, config: RunConfig, data: PreparedData): void {
  const tokenizerJson = readFileSync(path.join(data.dir, DATA_FILES.tokenizer), "utf8");
  createRun(dir, { config: runFolderConfig(config, data) as unknown as JsonObject, tokenizerJson });
}

/** The configuration as it stands in a run folder. */
export function runFolderConfig(config: RunConfig, data: PreparedData): RunConfig {
  const sources = config.data.sources.map((source) => (source === "sotu" ? source : path.resolve(source)));
  const { tokenizer } = config.data;
  const absolute = tokenizer.kind === "file" ? { ...tokenizer, path: path.resolve(tokenizer.path) } : tokenizer;
  return {
    ...config,
    data: { ...config.data, sources, tokenizer: absolute },
    model: { ...config.model, vocabSize: data.tokenizer.vocabSize },
  };
}
