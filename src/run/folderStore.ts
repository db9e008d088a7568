import { latestCheckpoint, removeCheckpointsAfter, writeCheckpoint } from "./checkpoint.ts";
import { MetricsWriter } from "./metrics.ts";
import { runPaths } from "./runFolder.ts";
import type { RunStore } from "./runStore.ts";

/** A run folder that a run is written to. The caller holds its lock, and closes the store. */
export function folderStore(dir: string): RunStore & { close(): void } {
  const metrics = new MetricsWriter(runPaths(dir).metrics);
  return {
    name: dir,
    latest: () => latestCheckpoint(dir),
    rewindTo: (step) => {
      removeCheckpointsAfter(dir, step);
      metrics.truncateAfter(step);
    },
    append: (record) => metrics.append(record),
    save: (content, retention) => {
      // The metrics up to here must be as durable as the checkpoint that refers to them.
      metrics.flush();
      return writeCheckpoint(dir, content, retention).dir;
    },
    close: () => metrics.close(),
  };
}
