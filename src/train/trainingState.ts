import type { ModelConfig } from "../model/config.ts";
import { initialParameters, matchParameters } from "../model/parameters.ts";
import type { NamedArrays } from "../notation.ts";
import { emptyTensor, float32, type HostTensor, type HostTensors } from "../runtime/executor.ts";
import type { StateKind } from "./graphs.ts";

type Buffers = Record<string, HostTensor>;

/** Buffers under the names of the outputs that are to be written into them. */
export const asTargets = (buffers: HostTensors): HostTensors =>
  Object.fromEntries(Object.entries(buffers).map(([key, tensor]) => [`next.${key}`, tensor]));

/**
 * Parameters and their moments in two sets of buffers: a step reads one and writes the other, then they change places. A
 * step that fails leaves the current set as it was.
 */
export class TrainingState {
  readonly #names: readonly string[];
  #current: Buffers;
  #next: Buffers;

  private constructor(names: readonly string[], current: Buffers) {
    this.#names = names;
    this.#current = current;
    this.#next = Object.fromEntries(
      Object.entries(current).map(([key, { dtype, shape }]) => [key, emptyTensor(dtype, shape)]),
    );
  }

  /** Initial parameters of a seed, moments zero. */
  static initial(model: ModelConfig, seed: number): TrainingState {
    return TrainingState.from(model, initialParameters(model, seed), new Map());
  }

  /** From a checkpoint: parameters by name, moments as `firstMoment.NAME` and `secondMoment.NAME` (zero where missing). */
  static from(model: ModelConfig, weights: NamedArrays, moments: NamedArrays): TrainingState {
    const matched = matchParameters(model, weights, "TrainingState");
    const current: Buffers = {};
    for (const { spec, array } of matched) {
      const { name, shape } = spec;
      current[`value.${name}`] = float32(shape, array.data.slice());
      for (const kind of ["firstMoment", "secondMoment"]) {
        const moment = moments.get(`${kind}.${name}`);
        current[`${kind}.${name}`] = moment ? float32(shape, moment.data.slice()) : emptyTensor("float32", shape);
      }
    }
    return new TrainingState(
      matched.map(({ spec }) => spec.name),
      current,
    );
  }

  /** What a graph is fed. */
  get feeds(): HostTensors {
    return this.#current;
  }

  /** Where a graph writes its `next.*` outputs. */
  get targets(): HostTensors {
    return asTargets(this.#next);
  }

  /** Makes what was written the current state. */
  swap(): void {
    [this.#current, this.#next] = [this.#next, this.#current];
  }

  /** Parameters, by name. The arrays are those of the state: copy what must outlive the next step. */
  get weights(): NamedArrays {
    return new Map(this.#entries("value", ""));
  }

  /** Moments, as `firstMoment.NAME` and `secondMoment.NAME`. */
  get moments(): NamedArrays {
    return new Map([...this.#entries("firstMoment"), ...this.#entries("secondMoment")]);
  }

  #entries(kind: StateKind, prefix = `${kind}.`) {
    return this.#names.map((name) => {
      const { shape, data } = this.#current[`${kind}.${name}`]!;
      return [`${prefix}${name}`, { shape, data: data as Float32Array }] as const;
    });
  }
}
