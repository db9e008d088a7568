import { UPDATE_MODULE } from "./updateModule.ts";

/** Numbers that the loops take at a time: an array begins at a multiple, and zeros fill it up to one. */
const LANES = 4;
const BYTES = Float32Array.BYTES_PER_ELEMENT;
const PAGE_BYTES = 65_536;
const MOST_PAGES = 65_536;

/** Size of an array with the zeros behind it. */
export const padded = (size: number): number => LANES * Math.ceil(size / LANES);

/** What AdamW multiplies with, equal for all numbers of a parameter. */
export interface UpdateFactors {
  readonly beta1: number;
  readonly beta2: number;
  /** Factor on a gradient, and on its square. */
  readonly share1: number;
  readonly share2: number;
  readonly step: number;
  readonly epsilon: number;
  /** What weight decay leaves of a value. */
  readonly kept: number;
}

/** A parameter and its two moments. */
export interface ParameterState {
  readonly value: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

interface Loops {
  sumOfSquares(x: number, count: number): number;
  adamW(
    value: number,
    firstMoment: number,
    secondMoment: number,
    gradient: number,
    count: number,
    ...factors: number[]
  ): void;
}

/** What is used of WebAssembly, of which TypeScript knows only together with all of the browser. */
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

let compiled: object | undefined;

/**
 * Arrays in one WebAssembly memory, and the optimizer's loops over them (update.wat). A loop reads and writes each array once;
 * as a graph the update is thirteen operations, each of them a pass over memory (docs/PERFORMANCE.md).
 */
export class UpdateMemory {
  readonly #buffer: ArrayBuffer;
  readonly #loops: Loops;
  #used = 0;

  /** @throws if arrays of these sizes need more than the 4 GiB that a WebAssembly memory may have */
  constructor(sizes: readonly number[]) {
    const bytes = BYTES * sizes.reduce((total, size) => total + padded(size), 0);
    const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
    if (pages > MOST_PAGES) {
      throw new Error(`train: parameters, gradients and moments must fit into 4 GiB a replica, got ${bytes} bytes`);
    }
    const memory = new WebAssembly.Memory({ initial: pages, maximum: MOST_PAGES });
    this.#buffer = memory.buffer;
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(UPDATE_MODULE), (letter) => letter.charCodeAt(0)));
    this.#loops = new WebAssembly.Instance(compiled, { host: { memory } }).exports as Loops;
  }

  /** The next array, of zeros. */
  allocate(size: number): Float32Array<ArrayBuffer> {
    const array = new Float32Array(this.#buffer, this.#used * BYTES, size);
    this.#used += padded(size);
    return array;
  }

  /** Σ x² of an array of this memory. */
  sumOfSquares(x: Float32Array): number {
    return this.#loops.sumOfSquares(x.byteOffset, padded(x.length));
  }

  /** One update by AdamW (Loshchilov & Hutter 2019) of a parameter of this memory, in place. */
  adamW({ value, firstMoment, secondMoment }: ParameterState, gradient: Float32Array, factors: UpdateFactors): void {
    const { beta1, beta2, share1, share2, step, epsilon, kept } = factors;
    const pointers = [value, firstMoment, secondMoment, gradient].map(({ byteOffset }) => byteOffset);
    const [p, m, v, g] = pointers as [number, number, number, number];
    this.#loops.adamW(p, m, v, g, padded(value.length), beta1, beta2, share1, share2, step, epsilon, kept);
  }
}
