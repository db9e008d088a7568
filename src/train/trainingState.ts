import type { ModelConfig } from "../model/config.ts";
import { initialParameters, parameterList } from "../model/parameters.ts";
import type { NamedArrays } from "../notation.ts";
import { emptyTensor, float32, type HostTensor, type HostTensors } from "../runtime/executor.ts";
import type { StateKind } from "./graphs.ts";

type Buffers = Record<string, HostTensor>;

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
    const specs = parameterList(model);
    const current: Buffers = {};
    for (const { name, shape } of specs) {
      const weight = weights.get(name);
      if (weight === undefined || weight.shape.join() !== shape.join()) {
        const got = weight === undefined ? "nothing" : `[${weight.shape.join(", ")}]`;
        throw new Error(`TrainingState: parameter "${name}" must have shape [${shape.join(", ")}], got ${got}`);
      }
      current[`value.${name}`] = float32(shape, weight.data.slice());
      for (const kind of ["firstMoment", "secondMoment"]) {
        const moment = moments.get(`${kind}.${name}`);
        current[`${kind}.${name}`] = moment ? float32(shape, moment.data.slice()) : emptyTensor("float32", shape);
      }
    }
    return new TrainingState(
      specs.map(({ name }) => name),
      current,
    );
  }

  /** What a graph is fed. */
  get feeds(): HostTensors {
    return this.#current;
  }

  /** Where a graph writes its `next.*` outputs. */
  get targets(): HostTensors {
    return Object.fromEntries(Object.entries(this.#next).map(([key, tensor]) => [`next.${key}`, tensor]));
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
