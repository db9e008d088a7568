import type { ModelConfig } from "../model/config.ts";
import { initialParameters, matchParameters } from "../model/parameters.ts";
import type { NamedArrays } from "../notation.ts";
import { emptyTensor, float32, type HostTensor, type HostTensors } from "../runtime/executor.ts";
import { MOMENT_KINDS, type StateKind } from "./graphs.ts";
import { isShared } from "./sharedMemory.ts";

/** Who trains a state in memory of its own. */
export interface StateHolder {
  /** The values it holds, `value.NAME` for each parameter. */
  values(): Promise<HostTensors>;
  /** The moments it holds, `KIND.NAME` for each parameter. */
  moments(): Promise<HostTensors>;
}

/**
 * Parameters and their moments. A trainer moves them into memory of its own: with one replica they are as readable as before,
 * with several the moments are not, and on a device neither is. To read what is not, before it is fetched, is an error.
 */
export class TrainingState {
  readonly #names: readonly string[];
  #tensors: HostTensors;
  #momentsIn: StateHolder | undefined;
  #valuesIn: StateHolder | undefined;

  private constructor(names: readonly string[], tensors: HostTensors) {
    this.#names = names;
    this.#tensors = tensors;
  }

  /** Initial parameters of a seed, moments zero. */
  static initial(model: ModelConfig, seed: number): TrainingState {
    return TrainingState.#of(model, initialParameters(model, seed), new Map());
  }

  /** From a checkpoint: parameters by name, moments as `firstMoment.NAME` and `secondMoment.NAME` (zero where missing). */
  static from(model: ModelConfig, weights: NamedArrays, moments: NamedArrays): TrainingState {
    const copies = (arrays: NamedArrays): NamedArrays =>
      new Map([...arrays].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
    return TrainingState.#of(model, copies(weights), copies(moments));
  }

  static #of(model: ModelConfig, weights: NamedArrays, moments: NamedArrays): TrainingState {
    const matched = matchParameters(model, weights, "TrainingState");
    const tensors: Record<string, HostTensor> = {};
    for (const { spec, array } of matched) {
      const { name, shape } = spec;
      tensors[`value.${name}`] = float32(shape, array.data);
      for (const kind of MOMENT_KINDS) {
        const moment = moments.get(`${kind}.${name}`);
        tensors[`${kind}.${name}`] = moment ? float32(shape, moment.data) : emptyTensor("float32", shape);
      }
    }
    return new TrainingState(
      matched.map(({ spec }) => spec.name),
      tensors,
    );
  }

  /** `KIND.NAME` for each parameter and kind. The arrays are those of the state: copy what must outlive the next step. */
  get tensors(): HostTensors {
    if (this.#momentsIn !== undefined) {
      throw new Error(
        "TrainingState: moments must be fetched with sync() before they are read, got newer ones in a trainer",
      );
    }
    this.#checkValues();
    return this.#tensors;
  }

  /** `value.NAME` for each parameter, as a graph can be fed. */
  get values(): HostTensors {
    this.#checkValues();
    // ONNX Runtime reads no shared memory.
    const plain = (data: Float32Array) => (isShared(data.buffer) ? data.slice() : data);
    return Object.fromEntries(
      this.#entries("value").map(([key, { shape, data }]) => [key, float32(shape, plain(data))]),
    );
  }

  /** Parameters, by name, and like `tensors` the state's own. */
  get weights(): NamedArrays {
    this.#checkValues();
    return new Map(this.#entries("value").map(([key, array]) => [key.slice("value.".length), array]));
  }

  /** Moments, as `firstMoment.NAME` and `secondMoment.NAME`, the state's own. */
  get moments(): NamedArrays {
    return new Map(MOMENT_KINDS.flatMap((kind) => this.#entries(kind, this.tensors)));
  }

  /** Moves what is in `visible` there, where `holder` trains it; what is not stays with the holder until it is fetched. */
  lendTo(holder: StateHolder, visible: HostTensors): void {
    this.#tensors = { ...this.#tensors, ...visible };
    const isVisible = (kind: StateKind) => `${kind}.${this.#names[0]}` in visible;
    this.#momentsIn = MOMENT_KINDS.every(isVisible) ? undefined : holder;
    this.#valuesIn = isVisible("value") ? undefined : holder;
  }

  /** Fetches the values from the trainer that holds them. The next step there makes them old again. */
  async syncValues(): Promise<void> {
    if (this.#valuesIn === undefined) return;
    this.#tensors = { ...this.#tensors, ...(await this.#valuesIn.values()) };
    this.#valuesIn = undefined;
  }

  /** Fetches values and moments alike. */
  async sync(): Promise<void> {
    await this.syncValues();
    if (this.#momentsIn === undefined) return;
    this.#tensors = { ...this.#tensors, ...(await this.#momentsIn.moments()) };
    this.#momentsIn = undefined;
  }

  #checkValues(): void {
    if (this.#valuesIn === undefined) return;
    throw new Error(
      "TrainingState: values must be fetched with syncValues() before they are read, got newer ones in a trainer",
    );
  }

  #entries(kind: StateKind, tensors = this.#tensors) {
    return this.#names.map((name) => {
      const key = `${kind}.${name}`;
      const { shape, data } = tensors[key]!;
      return [key, { shape, data: data as Float32Array }] as const;
    });
  }
}
