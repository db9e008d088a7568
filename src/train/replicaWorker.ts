import { nodeRuntime } from "../runtime/node.ts";
import { serve } from "../runtime/worker.ts";
import { Replica, type ReplicaSettings } from "./replica.ts";

/** A replica on a thread of its own, with this many threads for each operation. */
export interface ReplicaWorkerData {
  readonly settings: ReplicaSettings;
  readonly threads: number;
}

await serve(({ settings, threads }: ReplicaWorkerData) => Replica.create(settings, nodeRuntime({ threads })));
