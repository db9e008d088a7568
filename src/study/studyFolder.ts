import { statSync } from "node:fs";
import path from "node:path";
import { StudyError } from "./studySchema.ts";

/** Where things lie in a study's folder. */
export interface StudyPaths {
  readonly dir: string;
  /** The study file. */
  readonly study: string;
  /** A small file for each finished run: to be committed. */
  readonly results: string;
  /** Run folders, with checkpoints, and the ledger: not to be committed. */
  readonly runs: string;
  readonly ledger: string;
  readonly report: string;
}

/** @param place a study's folder, or the study.json in it */
export function studyPaths(place: string): StudyPaths {
  const found = statSync(place, { throwIfNoEntry: false });
  if (found === undefined)
    throw new StudyError(`study: ${place} must be a folder with a study.json, got nothing there`);
  const dir = found.isDirectory() ? place : path.dirname(place);
  const runs = path.join(dir, "runs");
  return {
    dir,
    study: found.isDirectory() ? path.join(dir, "study.json") : place,
    results: path.join(dir, "results"),
    runs,
    ledger: path.join(runs, "ledger.jsonl"),
    report: path.join(dir, "report"),
  };
}
