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

/** A run's calibrations: its `thresholds.json`. */
export type Calibrations = Readonly<Partial<Record<CausalRule, Calibration>>>;

export const CALIBRATIONS_FILE = "thresholds.json";

/** @param file what errors call it */
export const parseCalibrations = (text: string, file: string): Calibrations =>
  parseJsonObject(text, "thresholds", file) as Partial<Record<CausalRule, never>>;

/** A model's place, the training steps behind its weights, and what was calibrated. */
interface CalibratedModel {
  readonly dir: string;
  readonly step: number;
  readonly calibrations: Calibrations;
}

/** The calibrated thresholds of a model, one for each routed layer, for every rule that has them. */
export function allCalibratedThresholds({
  calibrations,
  step,
}: CalibratedModel): Partial<Record<CausalRule, readonly number[]>> {
  const known = Object.entries(calibrations).filter(([, calibration]) => calibration.step === step);
  return Object.fromEntries(known.map(([rule, { thresholds }]) => [rule, thresholds]));
}

/**
 * The calibrated thresholds of a model for one rule, one for each routed layer.
 *
 * @throws where the run has none for the rule, or those of other weights
 */
export function calibratedThresholds(model: CalibratedModel, rule: CausalRule): readonly number[] {
  const found = allCalibratedThresholds(model)[rule];
  if (found !== undefined) return found;
  const other = model.calibrations[rule];
  throw new Error(
    `thresholds: ${model.dir} must be calibrated for the rule "${rule}" at step ${model.step}, got ` +
      `${other === undefined ? "none" : `those of step ${other.step}`}; run mod calibrate ${model.dir} --rule ${rule}`,
  );
}
