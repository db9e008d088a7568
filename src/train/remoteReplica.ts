import type { HostTensor, HostTensors, Runtime, WorkerHandle } from "../runtime/executor.ts";
import type { StepScalars } from "./optimizer.ts";
import type { ReplicaOutputs, ReplicaPort, ReplicaSettings, ReplicaStep, SharedArrays } from "./replica.ts";
import type { ReplicaWorkerData } from "./replicaWorker.ts";

/** A replica on a thread of its own. */
export class RemoteReplica implements ReplicaPort {
  readonly #worker: WorkerHandle;

  private constructor(worker: WorkerHandle) {
    this.#worker = worker;
  }

  /** Whether a runtime can start one here. */
  static isPossible = (runtime: Runtime): boolean => runtime.startWorker !== undefined;

  /** Starts a thread, which compiles the replica's graphs; each of its operations may use this many threads. */
  static async start(settings: ReplicaSettings, runtime: Runtime, threads: number): Promise<RemoteReplica> {
    const data: ReplicaWorkerData = { settings, threads };
    return new RemoteReplica(await runtime.startWorker!("train/replicaWorker", data));
  }

  async load(state: HostTensors, shared: SharedArrays): Promise<void> {
    // Only an array that has a buffer to itself can move there.
    const own = ({ data, ...type }: HostTensor): HostTensor => ({
      ...type,
      data: data.byteLength === data.buffer.byteLength ? data : data.slice(),
    });
    const movable = Object.fromEntries(Object.entries(state).map(([key, tensor]) => [key, own(tensor)]));
    const moved = Object.values(movable).map(({ data }) => data.buffer as ArrayBuffer);
    await this.#worker.call("load", [movable, shared], moved);
  }

  gradients = (passes: readonly HostTensors[]) => this.#call<ReplicaOutputs>("gradients", passes);
  step = (passes: readonly HostTensors[], scalars: StepScalars) => this.#call<ReplicaStep>("step", passes, scalars);
  values = () => this.#call<HostTensors>("values");
  moments = () => this.#call<HostTensors>("moments");

  async dispose(): Promise<void> {
    await this.#call("dispose");
    await this.#worker.stop();
  }

  async #call<Result>(method: keyof ReplicaPort, ...args: readonly unknown[]): Promise<Result> {
    return (await this.#worker.call(method, args)) as Result;
  }
}
