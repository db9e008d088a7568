/** A process that works at a study; its parent is told by messages. Started by runStudy.ts. */
import { openOrPrepareData } from "../data/dataCache.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { planStudy } from "./plan.ts";
import { studyPaths } from "./studyFolder.ts";
import { readStudy } from "./studySchema.ts";
import { type WorkerEvent, workAtStudy } from "./studyWorker.ts";

/** What a worker process is told, as JSON, by its only argument. */
export interface WorkerProcessData {
  readonly place: string;
  readonly cacheDir: string;
  readonly threads: number;
  /** Ids of the runs to make; all, if not given. */
  readonly only?: readonly string[];
  /** Runs that failed before this moment (an ISO date) are tried again; none, if not given. */
  readonly retryBefore?: string;
}

const { place, cacheDir, threads, only, retryBefore }: WorkerProcessData = JSON.parse(process.argv[2]!);
const stop = new AbortController();
process.on("SIGINT", () => stop.abort());
process.on("SIGTERM", () => stop.abort());
process.on("disconnect", () => stop.abort()); // the parent is gone

const paths = studyPaths(place);
const planned = planStudy(readStudy(paths.study)).filter(({ id }) => only?.includes(id) ?? true);
const data = await openOrPrepareData(planned[0]!.config.data, { cacheDir });
await workAtStudy({
  ...{ paths, planned, data },
  ...(retryBefore !== undefined && { retryBefore }),
  runtime: nodeRuntime({ threads }),
  signal: stop.signal,
  onEvent: (event: WorkerEvent) => process.send?.(event),
});
data.close();
process.disconnect?.();
