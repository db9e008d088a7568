import path from "node:path";
import { type RunConfig, resolveConfig } from "../config/runConfig.ts";
import { openOrPrepareData } from "../data/dataCache.ts";
import type { PreparedData } from "../data/openData.ts";
import { lockRun } from "../run/lock.ts";
import { cleanRun, openRun } from "../run/runFolder.ts";
import { trainRun } from "../train/trainRun.ts";
import type { Output } from "./output.ts";
import { showPreparation } from "./prepareProgress.ts";
import { makeRuntime } from "./sharedOptions.ts";
import { stopOnSignal } from "./stopOnSignal.ts";
import { TrainDisplay } from "./trainProgress.ts";

/** Where prepared data is kept, below the folder that a command runs in. */
export const CACHE_DIR = path.join(".mod", "data");

export interface TrainingOutcome {
  readonly dir: string;
  readonly step: number;
  readonly steps: number;
  readonly finished: boolean;
}

/** The data that a run was made with. Sources that are no absolute paths lie in its folder, as a run from the browser brings them. */
export function dataOfRun(dir: string, { data }: Pick<RunConfig, "data">, output: Output): Promise<PreparedData> {
  const isElsewhere = (source: string) => source === "sotu" || source === "-" || path.isAbsolute(source);
  const sources = data.sources.map((source) => (isElsewhere(source) ? source : path.join(dir, source)));
  return dataFor({ data: { ...data, sources } }, output);
}

/** Data of a configuration, prepared if need be, with progress lines. */
export async function dataFor({ data }: Pick<RunConfig, "data">, output: Output): Promise<PreparedData> {
  const preparation = showPreparation(output);
  try {
    return await openOrPrepareData(data, { cacheDir: CACHE_DIR, onProgress: preparation.onProgress });
  } finally {
    preparation.done();
  }
}

/**
 * Trains a run folder to its end, or until Ctrl-C, which finishes the step and saves; a second one ends at once.
 */
export async function continueRun(
  dir: string,
  output: Output,
  overrides: Parameters<typeof makeRuntime>[0] = {},
): Promise<TrainingOutcome> {
  const config = resolveConfig(openRun(dir).config);
  const lock = lockRun(dir);
  if (lock.message) output.note(lock.message);
  const stop = stopOnSignal(() => output.note("\nfinishing the step; Ctrl-C again ends at once"));
  try {
    cleanRun(dir);
    const data = await dataOfRun(dir, config, output);
    const runtime = await makeRuntime({ ...config.runtime, ...withoutUndefined(overrides) });
    const display = new TrainDisplay(output);
    let outcome: TrainingOutcome = { dir, step: 0, steps: 0, finished: false };
    for await (const event of trainRun({ dir, config, data, runtime, signal: stop.signal })) {
      display.show(event);
      if (event.kind === "done" || event.kind === "interrupted") {
        outcome = { dir, step: event.step, steps: event.steps, finished: event.kind === "done" };
      }
    }
    data.close();
    if (!outcome.finished) output.note(`saved at step ${outcome.step}; go on with: mod train --resume ${dir}`);
    return outcome;
  } finally {
    stop.release();
    lock.release();
  }
}

const withoutUndefined = <T extends object>(value: T): Partial<T> =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<T>;
