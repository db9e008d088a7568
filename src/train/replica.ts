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
import { gradientGraph, MOMENT_KINDS, STATE_KINDS } from "./graphs.ts";
import {
  adamW,
  clipFactor,
  GRADIENT_GROUPS,
  gradientGroup,
  type OptimizerConfig,
  type ParameterState,
  type StepScalars,
  sumInto,
} from "./optimizer.ts";

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
   * Trains on these arrays from now on: the moments of the parameters it owns, which leave the caller, and every value; with
   * several replicas each makes its own copy of the shared values.
   */
  load(state: HostTensors, shared: SharedArrays): Promise<void>;
  /** Gradients of its sequences, one entry of feeds a pass, and no update. */
  gradients(passes: readonly HostTensors[]): Promise<ReplicaOutputs>;
  /** A whole step, together with all others. */
  step(passes: readonly HostTensors[], scalars: StepScalars): Promise<ReplicaStep>;
  /** Moments of the parameters it owns, `KIND.NAME`. */
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

/** `prefix.NAME` for each parameter, laid over a buffer one after the other. */
export function laidOver(
  prefix: string,
  specs: readonly ParameterSpec[],
  buffer: Float32Array,
): Record<string, HostTensor> {
  let offset = 0;
  const tensors: Record<string, HostTensor> = {};
  for (const { name, shape, size } of specs) {
    tensors[`${prefix}.${name}`] = float32(shape, buffer.subarray(offset, offset + size));
    offset += size;
  }
  return tensors;
}

export const sizeOf = (specs: readonly ParameterSpec[]): number => specs.reduce((total, { size }) => total + size, 0);

/**
 * One of `count` copies of a model that train together: each computes the gradients of its own sequences, and each owns some
 * of the parameters, whose gradients it sums and which it alone updates (data parallelism with a sharded optimizer; Rajbhandari
 * et al. 2020, ZeRO stage 1).
 */
export class Replica implements ReplicaPort {
  readonly #settings: ReplicaSettings;
  readonly #owners: readonly (readonly ParameterSpec[])[];
  readonly #gradient: Executor;
  /** Gradients of its own sequences, for each owner. */
  readonly #found: readonly Float32Array[];
  #state: HostTensors = {};
  #shared: SharedArrays = { values: [], gradients: [], squares: [], counters: Barrier.counters() };
  #barrier: Barrier;
  #valuesAreOld = false;

  private constructor(settings: ReplicaSettings, gradient: Executor) {
    this.#settings = settings;
    this.#owners = ownersOf(parameterList(settings.model), settings.count);
    this.#gradient = gradient;
    this.#found = this.#owners.map((specs) => new Float32Array(sizeOf(specs)));
    this.#barrier = this.#newBarrier();
  }

  static async create(settings: ReplicaSettings, runtime: Runtime): Promise<Replica> {
    const { model, rows, accumulate, count } = settings;
    const options = { share: 1 / (count * accumulate), accumulating: accumulate > 1 };
    return new Replica(settings, await runtime.compile(gradientGraph(model, rows, options)));
  }

  async load(state: HostTensors, shared: SharedArrays): Promise<void> {
    const copies = shared.values.flatMap((values, owner) =>
      Object.entries(laidOver("value", this.#owners[owner]!, values.slice())),
    );
    this.#state = this.#settings.count === 1 ? state : { ...state, ...Object.fromEntries(copies) };
    this.#shared = shared;
    this.#barrier = this.#newBarrier();
    this.#valuesAreOld = false;
  }

  async gradients(passes: readonly HostTensors[]): Promise<ReplicaOutputs> {
    this.#fetchValues();
    const sums = Object.assign({}, ...this.#owners.map((specs, i) => laidOver("gradient", specs, this.#found[i]!)));
    const targets = withNext(sums);
    if (passes.length > 1) for (const found of this.#found) found.fill(0);
    const outputs: HostTensors[] = [];
    for (const feeds of passes) outputs.push(await this.#gradient.run({ ...feeds, ...this.#state, ...sums }, targets));
    const total = (name: string) => outputs.map((output) => floats(output, name)).reduce(sumOfArrays);
    return { losses: total("losses"), ...(outputs[0]!.routing && { routing: total("routing") }) };
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
    const others = gradients
      .filter((_, replica) => replica !== index)
      .map((found) => laidOver("gradient", this.#owned, found[index]!));
    const own = this.#ownGradients();
    const mine = [...GRADIENT_GROUPS.map(() => 0), losses.reduce((a, b) => a + b)];
    for (const spec of this.#owned) {
      const of = (gradients: HostTensors) => floats(gradients, `gradient.${spec.name}`);
      mine[GRADIENT_GROUPS.indexOf(gradientGroup(spec))]! += sumInto(of(own), others.map(of));
    }
    shared[index]!.set(mine);
    await this.#barrier.pass();
    return mine.map((_, i) => shared.reduce((total, part) => total + part[i]!, 0));
  }

  #updateOwned(scalars: StepScalars, squares: readonly number[]): void {
    const { index, count, optimizer } = this.#settings;
    const clips = GRADIENT_GROUPS.map((_, i) => clipFactor(Math.sqrt(squares[i]!), optimizer));
    const gradients = this.#ownGradients();
    for (const spec of this.#owned) {
      const kinds = STATE_KINDS.map((kind) => [kind, floats(this.#state, `${kind}.${spec.name}`)]);
      const state = Object.fromEntries(kinds) as unknown as ParameterState;
      const clip = clips[GRADIENT_GROUPS.indexOf(gradientGroup(spec))]!;
      adamW(spec, state, floats(gradients, `gradient.${spec.name}`), clip, scalars, optimizer);
    }
    if (count === 1) return;
    copyInto(laidOver("value", this.#owned, this.#shared.values[index]!), this.#state);
    this.#valuesAreOld = true;
  }

  async moments(): Promise<HostTensors> {
    const keys = MOMENT_KINDS.flatMap((kind) => this.#owned.map(({ name }) => `${kind}.${name}`));
    return Object.fromEntries(keys.map((key) => [key, this.#state[key]!]));
  }

  async dispose(): Promise<void> {
    await this.#gradient.dispose();
  }

  #newBarrier(): Barrier {
    return new Barrier(this.#shared.counters, this.#settings.count, this.#settings.isThread);
  }

  get #owned(): readonly ParameterSpec[] {
    return this.#owners[this.#settings.index]!;
  }

  #ownGradients(): HostTensors {
    return laidOver("gradient", this.#owned, this.#found[this.#settings.index]!);
  }

  /** Takes over what the other owners updated. */
  #fetchValues(): void {
    if (!this.#valuesAreOld) return;
    for (const [owner, specs] of this.#owners.entries()) {
      if (owner !== this.#settings.index) copyInto(this.#state, laidOver("value", specs, this.#shared.values[owner]!));
    }
    this.#valuesAreOld = false;
  }
}

const withNext = (tensors: HostTensors): HostTensors =>
  Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [`next.${key}`, tensor]));

const sumOfArrays = (a: Float32Array, b: Float32Array): Float32Array => a.map((x, i) => x + b[i]!);

/** Copies into each tensor of `target` the one of the same name, where there is one. */
export function copyInto(target: HostTensors, source: HostTensors): void {
  for (const [key, { data }] of Object.entries(source)) (target[key]?.data as Float32Array)?.set(data as Float32Array);
}
