import { modelOf, type RunConfig, resolveConfig } from "../config/runConfig.ts";
import { tokenizerFromJson } from "../data/tokenizer/loadTokenizer.ts";
import type { Tokenizer } from "../data/tokenizer/tokenizer.ts";
import type { ModelConfig } from "../model/config.ts";
import { matchParameters } from "../model/parameters.ts";
import type { NamedArrays } from "../notation.ts";
import { float32, type HostTensors } from "../runtime/executor.ts";
import type { Calibrations } from "./calibrations.ts";
import type { FoundCheckpoint, Skipped } from "./checkpointContent.ts";

/** A trained model, ready to be fed to a graph. */
export interface SavedModel {
  /** What errors call it: its run folder. */
  readonly dir: string;
  readonly config: RunConfig;
  readonly model: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Training steps behind the weights. */
  readonly step: number;
  /** `value.NAME` for each parameter. */
  readonly parameters: HostTensors;
  readonly calibrations: Calibrations;
  /** Checkpoints that should have been used but could not be read. */
  readonly skipped: readonly Skipped[];
}

/** `best`: of lowest validation loss, or the latest where none was measured. */
export type CheckpointChoice = "best" | "latest";

/** The parts of a run that a model is made from. */
export interface RunParts {
  /** What errors call the run. */
  readonly dir: string;
  readonly config: unknown;
  readonly tokenizerJson: string;
  readonly calibrations: Calibrations;
}

/**
 * The model of a run's checkpoint.
 *
 * @throws where there is no checkpoint, or it is not of this configuration
 */
export function savedModelOf(run: RunParts, found: FoundCheckpoint | null): SavedModel {
  const { dir, calibrations } = run;
  const config = resolveConfig(run.config);
  const tokenizer = tokenizerFromJson(JSON.parse(run.tokenizerJson));
  const model = modelOf(config, tokenizer.vocabSize);
  if (found === null) throw new Error(`openSavedModel: ${dir} must have a checkpoint, got none; train it first`);
  const { weights, step } = found.checkpoint;
  const parameters = fedParameters(model, weights, `openSavedModel: ${dir}`);
  return { dir, config, model, tokenizer, step, parameters, calibrations, skipped: found.skipped };
}

/**
 * Weights as graphs are fed them, `value.NAME` for each parameter.
 *
 * @throws where one is missing or of another shape; `where` opens the error
 */
export function fedParameters(model: ModelConfig, weights: NamedArrays, where: string): HostTensors {
  const parameters = matchParameters(model, weights, where).map(
    ({ spec: { name, shape }, array }) => [`value.${name}`, float32(shape, array.data)] as const,
  );
  return Object.fromEntries(parameters);
}
