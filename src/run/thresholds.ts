import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeFileAtomic } from "../files/atomic.ts";
import type { CausalRule } from "../model/causalRule.ts";
import { parseJsonObject } from "./json.ts";

/** Thresholds that were measured for one rule. */
export interface Calibration {
  /** Training steps behind the weights that they belong to. */
  readonly step: number;
  /** Of each routed layer. */
  readonly thresholds: readonly number[];
  /** Of the text that they were measured on. */
  readonly tokens: number;
}

const fileOf = (dir: string) => path.join(dir, "thresholds.json");

/** Every rule's calibration that a run has. */
function readCalibrations(dir: string): Partial<Record<CausalRule, Calibration>> {
  const file = fileOf(dir);
  if (!existsSync(file)) return {};
  return parseJsonObject(readFileSync(file, "utf8"), "thresholds", file) as Partial<Record<CausalRule, never>>;
}

/** Keeps a calibration in its run folder, in the place of an earlier one for the same rule. Hold the run's lock. */
export function saveCalibration(dir: string, rule: CausalRule, calibration: Calibration): void {
  writeFileAtomic(fileOf(dir), `${JSON.stringify({ ...readCalibrations(dir), [rule]: calibration }, null, 2)}\n`);
}

/** A model's place, and the training steps behind its weights. */
interface Model {
  readonly dir: string;
  readonly step: number;
}

/** The calibrated thresholds of a model, one for each routed layer, for every rule that has them. */
export function allCalibratedThresholds({ dir, step }: Model): Partial<Record<CausalRule, readonly number[]>> {
  const known = Object.entries(readCalibrations(dir)).filter(([, calibration]) => calibration.step === step);
  return Object.fromEntries(known.map(([rule, { thresholds }]) => [rule, thresholds]));
}

/**
 * The calibrated thresholds of a model for one rule, one for each routed layer.
 *
 * @throws where the run has none for the rule, or those of other weights
 */
export function calibratedThresholds(model: Model, rule: CausalRule): readonly number[] {
  const found = allCalibratedThresholds(model)[rule];
  if (found !== undefined) return found;
  const other = readCalibrations(model.dir)[rule];
  throw new Error(
    `thresholds: ${model.dir} must be calibrated for the rule "${rule}" at step ${model.step}, got ` +
      `${other === undefined ? "none" : `those of step ${other.step}`}; run mod calibrate ${model.dir} --rule ${rule}`,
  );
}
