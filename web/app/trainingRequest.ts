import { findPreset } from "../../src/config/presets.ts";
import type { RunInput } from "../../src/config/runConfig.ts";
import type { TrainingRequest } from "../engine/protocol.ts";
import type { TrainSettings, TrainWish } from "./engine.ts";

/** A page draws an evaluation and a checkpoint at least this often in a run. */
const EVALUATIONS = 10;
/** Validation tokens of each: evaluation under every rule must not take longer than the training between. */
const EVALUATION_TOKENS = 4096;
const WATCH_EVERY = 5;

/** What the worker is asked to train. */
export function trainingRequest({ run, watched }: Omit<TrainWish, "device">): TrainingRequest {
  const watch = { text: watched, every: WATCH_EVERY };
  if (run.kind === "new") {
    return { name: run.preset, run: { kind: "new", config: configOf(run), text: run.text }, watch };
  }
  const { name, text } = run;
  const from = { kind: "stored", name } as const;
  return { name, run: { kind: "resume", from, ...(text && { text }) }, watch };
}

/** The preset, with what was changed of it. */
function configOf({ preset, steps, seed, capacityRatio, gate }: TrainSettings): RunInput {
  const found = findPreset(preset);
  if (found === undefined) throw new Error(`train: a preset must be known, got "${preset}"; choose another`);
  const { model, data, train } = found.config;
  const routing = { ...model.routing, ...(capacityRatio && { capacityRatio }), ...(gate && { gate }) };
  const every = Math.max(1, Math.ceil(steps / EVALUATIONS));
  return {
    seed,
    model: { ...model, ...(model.routing && { routing: routing as RunInput["model"]["routing"] }) },
    ...(data && { data }),
    train: {
      ...train,
      horizon: { kind: "steps", steps },
      evaluate: { every: Math.min(every, train.evaluate?.every ?? every), tokens: EVALUATION_TOKENS },
      checkpoint: { every: Math.min(every, train.checkpoint?.every ?? every) },
    },
  };
}
