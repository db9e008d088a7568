/** The script of a replica's worker, one of several that train a model together. */
import { Replica, type ReplicaSettings, serveInWorker, type WebPort, webRuntime } from "../../src/browser.ts";

interface ReplicaData {
  readonly settings: ReplicaSettings;
  readonly threads: number;
}

serveInWorker<ReplicaData>(self as unknown as WebPort, async ({ assets, data: { settings, threads } }) =>
  Replica.create(settings, await webRuntime({ threads, assets })),
);
