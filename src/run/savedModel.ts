import { modelOf, type RunConfig, resolveConfig } from "../config/runConfig.ts";
import { tokenizerFromJson } from "../data/tokenizer/loadTokenizer.ts";
import type { Tokenizer } from "../data/tokenizer/tokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { matchParameters } from "../model/parameters.ts";
import { float32, type HostTensors } from "../runtime/executor.ts";
import { bestCheckpoint, latestCheckpoint, type Skipped } from "./checkpoint.ts";
import { openRun } from "./runFolder.ts";

/** A trained model, ready to be fed to a graph. */
export interface SavedModel {
  readonly dir: string;
  readonly config: RunConfig;
  readonly model: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Training steps behind the weights. */
  readonly step: number;
  /** `value.NAME` for each parameter. */
  readonly parameters: HostTensors;
  /** Checkpoints that should have been used but could not be read. */
  readonly skipped: readonly Skipped[];
}

/** `best`: of lowest validation loss, or the latest where none was measured. */
export type CheckpointChoice = "best" | "latest";

/** Opens the model of a run folder. */
export function openSavedModel(dir: string, choice: CheckpointChoice = "best"): SavedModel {
  const run = openRun(dir);
  const config = resolveConfig(run.config);
  const tokenizer = tokenizerFromJson(JSON.parse(run.tokenizerJson));
  const model = modelOf(config, tokenizer.vocabSize);
  const options = { withOptimizer: false };
  const found = (choice === "best" ? bestCheckpoint(dir, options) : null) ?? latestCheckpoint(dir, options);
  if (found === null) throw new Error(`openSavedModel: ${dir} must have a checkpoint, got none; train it first`);
  const { weights, step } = found.checkpoint;
  const parameters = matchParameters(model, weights, `openSavedModel: ${dir}`).map(
    ({ spec: { name, shape }, array }) => [`value.${name}`, float32(shape, array.data)] as const,
  );
  return {
    dir: run.dir,
    config,
    model,
    tokenizer,
    step,
    parameters: Object.fromEntries(parameters),
    skipped: found.skipped,
  };
}
