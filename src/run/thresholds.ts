import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeFileAtomic } from "../files/atomic.ts";
import type { CausalRule } from "../model/causalRule.ts";
import { CALIBRATIONS_FILE, type Calibration, type Calibrations, parseCalibrations } from "./calibrations.ts";

const fileOf = (dir: string) => path.join(dir, CALIBRATIONS_FILE);

/** Every rule's calibration that a run folder has. */
export function readCalibrations(dir: string): Calibrations {
  const file = fileOf(dir);
  return existsSync(file) ? parseCalibrations(readFileSync(file, "utf8"), file) : {};
}

/** Keeps a calibration in its run folder, in the place of an earlier one for the same rule. Hold the run's lock. */
export function saveCalibration(dir: string, rule: CausalRule, calibration: Calibration): void {
  writeFileAtomic(fileOf(dir), `${JSON.stringify({ ...readCalibrations(dir), [rule]: calibration }, null, 2)}\n`);
}
