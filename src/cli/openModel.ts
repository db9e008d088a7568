import { openSavedModel } from "../run/openSavedModel.ts";
import type { CheckpointChoice, SavedModel } from "../run/savedModel.ts";
import type { Output } from "./output.ts";

/** The model of a run folder; says which checkpoints could not be read and were passed over. */
export function openModel(dir: string, choice: CheckpointChoice, output: Output): SavedModel {
  const saved = openSavedModel(dir, choice);
  for (const { dir: skipped, reason } of saved.skipped) output.note(`skipped ${skipped}: ${reason}`);
  return saved;
}
