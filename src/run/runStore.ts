import type { Retention } from "./checkpointChoice.ts";
import type { CheckpointContent, FoundCheckpoint } from "./checkpointContent.ts";
import type { MetricsRecord } from "./metricsFormat.ts";

/** Where a run keeps what it leaves: a folder (`folderStore.ts`), or memory (`memoryRun.ts`). */
export interface RunStore {
  /** What errors call the run. */
  readonly name: string;
  /**
   * The newest checkpoint that is intact; null if there is none at all.
   *
   * @throws where there are checkpoints but none can be read
   */
  latest(): FoundCheckpoint | null;
  /** Drops checkpoints and metrics of later steps: they belong to a history that is written anew now. */
  rewindTo(step: number): void;
  append(record: MetricsRecord): void;
  /** Saves a checkpoint, removes those that the rule does not keep, and says where the new one is. */
  save(content: CheckpointContent, retention: Retention): string;
}
