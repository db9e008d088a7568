import type { ModelConfig } from "../model/config.ts";
import { type ParameterSpec, parameterList } from "../model/parameters.ts";
import {
  type Executor,
  float32,
  floats,
  type HostTensor,
  type HostTensors,
  type Runtime,
} from "../runtime/executor.ts";
import { Barrier } from "./barrier.ts";
import { gradientGraph, MOMENT_KINDS, type StateKind } from "./graphs.ts";
import {
  clipFactor,
  GRADIENT_GROUPS,
  gradientGroup,
  type OptimizerConfig,
  type StepScalars,
  updateFactors,
} from "./optimizer.ts";
import { padded, UpdateMemory } from "./updateMemory.ts";

/** One replica's place among all, and its part of the work. */
export interface ReplicaSettings {
  readonly model: ModelConfig;
  readonly optimizer: OptimizerConfig;
  /** Sequences in one forward and backward pass. */
  readonly rows: number;
  /** Passes of each replica to an update. */
  readonly accumulate: number;
  readonly index: number;
  readonly count: number;
  /** Whether it has a thread of its own. */
  readonly isThread: boolean;
}

/** What one replica measured in the passes of a step: sums over its passes. */
export interface ReplicaOutputs {
  readonly losses: Float32Array;
  readonly routing?: Float32Array;
  readonly experts?: Float32Array;
}

/** What several passes of a gradient graph measured, summed. */
export function sumOfPasses(outputs: readonly HostTensors[]): ReplicaOutputs {
  const total = (name: string) =>
    outputs.map((output) => floats(output, name)).reduce((a, b) => a.map((x, i) => x + b[i]!));
  const [{ routing, experts }] = outputs as [HostTensors];
  return {
    losses: total("losses"),
    ...(routing && { routing: total("routing") }),
    ...(experts && { experts: total("experts") }),
  };
}

/** A step as one replica saw it. */
export interface ReplicaStep extends ReplicaOutputs {
  /** Sum of squares of each group's gradients, of all replicas. */
  readonly squares: readonly number[];
  /** False where a loss or a gradient of some replica is not finite: then nothing was changed. */
  readonly finite: boolean;
}

/** Memory that all replicas of a group see. ONNX Runtime can't work in it: what goes through it is copied in and out. */
export interface SharedArrays {
  /** New values of each owner's parameters, one after the other. */
  readonly values: readonly Float32Array[];
  /** What each replica found for each owner: gradients[replica][owner], empty for its own. */
  readonly gradients: readonly (readonly Float32Array[])[];
  /** Of each owner, the squares of its parameters' gradients by group and, behind, the sum of its losses. */
  readonly squares: readonly Float64Array[];
  /** Counters of the barrier. */
  readonly counters: Int32Array;
}

/** What a trainer asks of a replica, on this thread or another. The order within a step is that of the methods. */
export interface ReplicaPort {
  /**
   * Takes over a state: the moments of the parameters it owns, whose arrays may leave the caller, and all values, from `state`
   * or, with several replicas, from `shared`.
   */
  load(state: HostTensors, shared: SharedArrays): Promise<void>;
  /** Gradients of its sequences, one entry of feeds a pass, and no update. */
  gradients(passes: readonly HostTensors[]): Promise<ReplicaOutputs>;
  /** A whole step, together with all others. */
  step(passes: readonly HostTensors[], scalars: StepScalars): Promise<ReplicaStep>;
  /** All values, `value.NAME`: on this thread the arrays themselves. */
  values(): Promise<HostTensors>;
  /** Moments of the parameters it owns, `KIND.NAME`: on this thread the arrays themselves. */
  moments(): Promise<HostTensors>;
  dispose(): Promise<void>;
}

/** Parameters of each owner: the largest first, each to whom has least. */
export function ownersOf(specs: readonly ParameterSpec[], count: number): ParameterSpec[][] {
  const owners = Array.from({ length: count }, () => ({ specs: [] as ParameterSpec[], size: 0 }));
  for (const spec of specs.toSorted((a, b) => b.size - a.size)) {
    const least = owners.reduce((a, b) => (b.size < a.size ? b : a));
    least.specs.push(spec);
    least.size += spec.size;
  }
  return owners.map((owner) => owner.specs);
}

/** `prefix.NAME` for each parameter, laid over a buffer one after the other, each with its padding. */
export function laidOver(
  prefix: string,
  specs: readonly ParameterSpec[],
  buffer: Float32Array,
): Record<string, HostTensor> {
  let offset = 0;
  const tensors: Record<string, HostTensor> = {};
  for (const { name, shape, size } of specs) {
    tensors[`${prefix}.${name}`] = float32(shape, buffer.subarray(offset, offset + size));
    offset += padded(size);
  }
  return tensors;
}

/** Size of the buffer for `laidOver`. */
export const sizeOf = (specs: readonly ParameterSpec[]): number =>
  specs.reduce((total, { size }) => total + padded(size), 0);

/**
 * Tokens in a sequence from which on memory is given back between operations: 180 to 850 MiB less for no time, where shorter
 * sequences, of smaller tensors, lose 4 % (docs/PERFORMANCE.md).
 */
const RETURN_MEMORY_FROM = 1024;

/**
 * One of `count` copies of a model that train together: each computes the gradients of its own sequences, and each owns some
 * of the parameters, whose gradients it sums and which it alone updates (data parallelism with a sharded optimizer; Rajbhandari
 * et al. 2020, ZeRO stage 1).
 */
export class Replica implements ReplicaPort {
  readonly #settings: ReplicaSettings;
  readonly #owners: readonly (readonly ParameterSpec[])[];
  readonly #executor: Executor;
  readonly #memory: UpdateMemory;
  /** For each owner, values and the gradients of this replica's own sequences. */
  readonly #values: readonly Float32Array[];
  readonly #found: readonly Float32Array[];
  /** Views of the above by name: `value.NAME` and `gradient.NAME`, and the moments of the parameters owned. */
  readonly #state: HostTensors;
  readonly #gradients: HostTensors;
  #shared: SharedArrays = { values: [], gradients: [], squares: [], counters: Barrier.counters() };
  #barrier: Barrier;
  #valuesAreOld = false;

  private constructor(settings: ReplicaSettings, executor: Executor) {
    this.#settings = settings;
    this.#owners = ownersOf(parameterList(settings.model), settings.count);
    this.#executor = executor;
    this.#barrier = this.#newBarrier();
    const sizes = this.#owners.map(sizeOf);
    const owned = sizeOf(this.#owned);
    this.#memory = new UpdateMemory([...sizes, ...sizes, ...MOMENT_KINDS.map(() => owned)]);
    this.#values = sizes.map((size) => this.#memory.allocate(size));
    this.#found = sizes.map((size) => this.#memory.allocate(size));
    const perOwner = (prefix: string, buffers: readonly Float32Array[]): HostTensors =>
      Object.assign({}, ...this.#owners.map((specs, i) => laidOver(prefix, specs, buffers[i]!)));
    const moments = MOMENT_KINDS.map((kind) => laidOver(kind, this.#owned, this.#memory.allocate(owned)));
    this.#state = Object.assign(perOwner("value", this.#values), ...moments);
    this.#gradients = perOwner("gradient", this.#found);
  }

  static async create(settings: ReplicaSettings, runtime: Runtime): Promise<Replica> {
    const { model, rows, accumulate, count } = settings;
    const options = { share: 1 / (count * accumulate), accumulating: accumulate > 1 };
    const graph = gradientGraph(model, rows, options);
    const keepsMemory = model.seqLen < RETURN_MEMORY_FROM;
    return new Replica(settings, await runtime.compile(graph, { keepsMemory }));
  }

  async load(state: HostTensors, shared: SharedArrays): Promise<void> {
    copyInto(this.#state, state);
    if (this.#settings.count > 1)
      for (const [owner, values] of this.#values.entries()) values.set(shared.values[owner]!);
    this.#shared = shared;
    this.#barrier = this.#newBarrier();
    this.#valuesAreOld = false;
  }

  async gradients(passes: readonly HostTensors[]): Promise<ReplicaOutputs> {
    this.#fetchValues();
    const into = Object.fromEntries(Object.entries(this.#gradients).map(([key, tensor]) => [`next.${key}`, tensor]));
    if (passes.length > 1) for (const found of this.#found) found.fill(0);
    const outputs: HostTensors[] = [];
    for (const feeds of passes) {
      outputs.push(await this.#executor.run({ ...feeds, ...this.#state, ...this.#gradients }, into));
    }
    return sumOfPasses(outputs);
  }

  async step(passes: readonly HostTensors[], scalars: StepScalars): Promise<ReplicaStep> {
    try {
      const outputs = await this.gradients(passes);
      const squares = await this.#sumGradients(outputs);
      const finite = squares.every(Number.isFinite);
      if (finite) this.#updateOwned(scalars, squares);
      return { ...outputs, squares: squares.slice(0, GRADIENT_GROUPS.length), finite };
    } catch (error) {
      this.#barrier.giveUp();
      throw error;
    }
  }

  /**
   * Gives each owner the gradients found for it, and adds those that were found elsewhere for the parameters owned here.
   * Returns the sums over all replicas of their `squares`.
   */
  async #sumGradients({ losses }: ReplicaOutputs): Promise<number[]> {
    const { index } = this.#settings;
    const { gradients, squares: shared } = this.#shared;
    for (const [owner, target] of gradients[index]!.entries()) if (owner !== index) target.set(this.#found[owner]!);
    await this.#barrier.pass();
    const own = this.#found[index]!;
    for (const [replica, found] of gradients.entries()) if (replica !== index) addInto(own, found[index]!);
    const mine = [...GRADIENT_GROUPS.map(() => 0), losses.reduce((a, b) => a + b)];
    for (const spec of this.#owned) {
      mine[GRADIENT_GROUPS.indexOf(gradientGroup(spec))]! += this.#memory.sumOfSquares(this.#gradientOf(spec));
    }
    shared[index]!.set(mine);
    await this.#barrier.pass();
    return mine.map((_, i) => shared.reduce((total, part) => total + part[i]!, 0));
  }

  #updateOwned(scalars: StepScalars, squares: readonly number[]): void {
    const { index, count, optimizer } = this.#settings;
    const clips = GRADIENT_GROUPS.map((_, i) => clipFactor(Math.sqrt(squares[i]!), optimizer));
    for (const spec of this.#owned) {
      const of = (kind: StateKind) => floats(this.#state, `${kind}.${spec.name}`);
      const state = { value: of("value"), firstMoment: of("firstMoment"), secondMoment: of("secondMoment") };
      const clip = clips[GRADIENT_GROUPS.indexOf(gradientGroup(spec))]!;
      this.#memory.adamW(state, this.#gradientOf(spec), updateFactors(spec, clip, scalars, optimizer));
    }
    if (count === 1) return;
    this.#shared.values[index]!.set(this.#values[index]!);
    this.#valuesAreOld = true;
  }

  async values(): Promise<HostTensors> {
    return this.#ofKinds(["value"]);
  }

  async moments(): Promise<HostTensors> {
    return this.#ofKinds(MOMENT_KINDS);
  }

  async dispose(): Promise<void> {
    await this.#executor.dispose();
  }

  #newBarrier(): Barrier {
    return new Barrier(this.#shared.counters, this.#settings.count, this.#settings.isThread);
  }

  get #owned(): readonly ParameterSpec[] {
    return this.#owners[this.#settings.index]!;
  }

  #gradientOf({ name }: ParameterSpec): Float32Array {
    return floats(this.#gradients, `gradient.${name}`);
  }

  /** Copies for another thread, which would otherwise be sent the whole memory. */
  #ofKinds(kinds: readonly StateKind[]): HostTensors {
    const { isThread } = this.#settings;
    const isOf = (key: string) => kinds.some((kind) => key.startsWith(`${kind}.`));
    const given = (tensor: HostTensor) => (isThread ? { ...tensor, data: tensor.data.slice() } : tensor);
    return Object.fromEntries(
      Object.entries(this.#state).flatMap(([key, tensor]) => (isOf(key) ? [[key, given(tensor)] as const] : [])),
    );
  }

  /** Takes over what the other owners updated. */
  #fetchValues(): void {
    if (!this.#valuesAreOld) return;
    for (const [owner, values] of this.#values.entries()) {
      if (owner !== this.#settings.index) values.set(this.#shared.values[owner]!);
    }
    this.#valuesAreOld = false;
  }
}

function addInto(target: Float32Array, source: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += source[i]!;
}

/** Copies into each tensor of `target` the one of the same name, where there is one. */
export function copyInto(target: HostTensors, source: HostTensors): void {
  for (const [key, { data }] of Object.entries(source)) (target[key]?.data as Float32Array)?.set(data as Float32Array);
}
