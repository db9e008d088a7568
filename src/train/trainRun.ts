import { folderStore } from "../run/folderStore.ts";
import { type TrainEvent, TrainingRun, type TrainingRunOptions } from "./trainingRun.ts";

export interface TrainRunOptions extends Omit<TrainingRunOptions, "store"> {
  /** A run folder made by `createRun`, whose lock the caller holds. */
  readonly dir: string;
  /** When aborted, the step under way is finished and saved. */
  readonly signal?: AbortSignal;
}

/**
 * Trains the run of a folder to its horizon, from its newest intact checkpoint if it has one; see {@link TrainingRun}.
 *
 * @throws DivergedError when a loss is not finite; the last checkpoint stays.
 */
export async function* trainRun({
  dir,
  signal,
  ...options
}: TrainRunOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const store = folderStore(dir);
  try {
    const run = await TrainingRun.open({ ...options, store });
    try {
      yield* run.events(signal);
    } finally {
      await run.close();
    }
  } finally {
    store.close();
  }
}
