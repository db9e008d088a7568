import { bestCheckpoint, latestCheckpoint } from "./checkpoint.ts";
import { openRun } from "./runFolder.ts";
import { type CheckpointChoice, type SavedModel, savedModelOf } from "./savedModel.ts";
import { readCalibrations } from "./thresholds.ts";

/** Opens the model of a run folder. */
export function openSavedModel(dir: string, choice: CheckpointChoice = "best"): SavedModel {
  const run = openRun(dir);
  const options = { withOptimizer: false };
  const found = (choice === "best" ? bestCheckpoint(dir, options) : null) ?? latestCheckpoint(dir, options);
  return savedModelOf({ ...run, calibrations: readCalibrations(run.dir) }, found);
}
