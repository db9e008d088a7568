import { parameterList } from "../model/parameters.ts";
import type { HostTensors, Runtime } from "../runtime/executor.ts";
import { Barrier } from "./barrier.ts";
import { DeviceReplica } from "./deviceReplica.ts";
import { MOMENT_KINDS } from "./graphs.ts";
import { GRADIENT_GROUPS, type StepScalars } from "./optimizer.ts";
import { RemoteReplica } from "./remoteReplica.ts";
import {
  copyInto,
  laidOver,
  ownersOf,
  Replica,
  type ReplicaOutputs,
  type ReplicaPort,
  type ReplicaSettings,
  type ReplicaStep,
  type SharedArrays,
  sizeOf,
} from "./replica.ts";
import { sharedBuffer } from "./sharedMemory.ts";

/** How the sequences of a batch are shared out. */
export interface Shares {
  readonly replicas: number;
  /** Threads of each operation in each replica. */
  readonly threads: number;
}

/**
 * As many replicas as threads, so that no operation has to be cut up and waited for, but not more than give each the same
 * number of sequences; threads left over serve the operations.
 */
export function sharesOf(batchSize: number, threads: number): Shares {
  let replicas = Math.min(batchSize, threads);
  while (batchSize % replicas !== 0) replicas--;
  return { replicas, threads: Math.floor(threads / replicas) };
}

type GroupSettings = Omit<ReplicaSettings, "index" | "count" | "rows" | "isThread"> & { readonly batchSize: number };

/** Replicas that train one state together. */
export class ReplicaGroup {
  readonly #ports: readonly ReplicaPort[];
  readonly #owners: ReturnType<typeof ownersOf>;
  readonly #isOnDevice: boolean;

  private constructor(ports: readonly ReplicaPort[], { model }: GroupSettings, isOnDevice = false) {
    this.#ports = ports;
    this.#isOnDevice = isOnDevice;
    this.#owners = ownersOf(parameterList(model), ports.length);
  }

  /** One replica runs on this thread or in a device's memory, more on threads of their own where there are such. */
  static async create(group: GroupSettings, runtime: Runtime): Promise<ReplicaGroup> {
    if (DeviceReplica.isPossible(runtime)) {
      return new ReplicaGroup([await DeviceReplica.create(group, runtime)], group, true);
    }
    const { batchSize, ...rest } = group;
    const { replicas, threads } = sharesOf(batchSize, runtime.provider === "cpu" ? runtime.threads : 1);
    const isThread = replicas > 1 && RemoteReplica.isPossible(runtime);
    const settings = Array.from({ length: replicas }, (_, index) => ({
      ...rest,
      ...{ index, count: replicas, rows: batchSize / replicas, isThread },
    }));
    const start = (one: ReplicaSettings): Promise<ReplicaPort> =>
      isThread ? RemoteReplica.start(one, runtime, threads) : Replica.create(one, runtime);
    return new ReplicaGroup(await Promise.all(settings.map(start)), group);
  }

  get count(): number {
    return this.#ports.length;
  }

  /**
   * Takes over a state, and returns what of it is kept up to date where the caller sees it: all of it with one replica, the
   * values alone with more, nothing on a device.
   */
  async load(state: HostTensors): Promise<HostTensors> {
    const shared = this.#sharedArrays();
    if (this.count === 1) {
      const port = this.#ports[0]!;
      await port.load(state, shared);
      if (this.#isOnDevice) return {};
      return { ...(await port.values()), ...(await port.moments()) };
    }
    const values = Object.assign({}, ...this.#owners.map((specs, i) => laidOver("value", specs, shared.values[i]!)));
    copyInto(values, state);
    await this.#each((port, i) => {
      const keys = MOMENT_KINDS.flatMap((kind) => this.#owners[i]!.map(({ name }) => `${kind}.${name}`));
      return port.load(Object.fromEntries(keys.map((key) => [key, state[key]!])), shared);
    });
    return values;
  }

  /** Gradients of each replica's passes. */
  gradients(passes: readonly (readonly HostTensors[])[]): Promise<ReplicaOutputs[]> {
    return this.#each((port, i) => port.gradients(passes[i]!));
  }

  /** A whole step, by each replica's passes. */
  step(passes: readonly (readonly HostTensors[])[], scalars: StepScalars): Promise<ReplicaStep[]> {
    return this.#each((port, i) => port.step(passes[i]!, scalars));
  }

  /** All values, `value.NAME`. */
  values(): Promise<HostTensors> {
    return this.#ports[0]!.values();
  }

  /** All moments, `KIND.NAME`. */
  async moments(): Promise<HostTensors> {
    return Object.assign({}, ...(await this.#each((port) => port.moments())));
  }

  async dispose(): Promise<void> {
    await this.#each((port) => port.dispose());
  }

  #sharedArrays(): SharedArrays {
    const shared = (size: number) => new Float32Array(sharedBuffer(this.count === 1 ? 0 : 4 * size));
    const sizes = this.#owners.map(sizeOf);
    return {
      values: sizes.map(shared),
      gradients: sizes.map((_, replica) => sizes.map((size, owner) => shared(replica === owner ? 0 : size))),
      squares: sizes.map(() => new Float64Array(sharedBuffer(8 * (GRADIENT_GROUPS.length + 1)))),
      counters: Barrier.counters(),
    };
  }

  #each<Result>(call: (port: ReplicaPort, index: number) => Promise<Result>): Promise<Result[]> {
    return Promise.all(this.#ports.map(call));
  }
}
