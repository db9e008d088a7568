/** The script of the engine's worker. */
import type { WebWorker } from "../../src/browser.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { EngineServer } from "./server.ts";

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: { readonly data: ToWorker }) => void) | null;
};

const startReplica = () => new Worker(new URL("./replica.ts", import.meta.url), { type: "module" }) as WebWorker;

const server = new EngineServer((message) => scope.postMessage(message), startReplica);
scope.onmessage = ({ data }) => void server.take(data);
