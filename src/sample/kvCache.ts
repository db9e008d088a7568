import { float32, type HostTensor } from "../runtime/executor.ts";

/** Places are allotted in steps of this many: what attention computes in vain is less, and the memory grows seldom. */
const PLACES_STEP = 64;

/** Keys and values of one layer, for several sequences, each of its own length. */
export class LayerCache {
  readonly #heads: number;
  readonly #headDim: number;
  /** [sequences, K, places, H], row-major. */
  #keys = new Float32Array(0);
  #values = new Float32Array(0);
  #sequences = 0;
  #places = 0;
  /** Tokens of each sequence. */
  readonly #lengths: number[] = [];
  #viewed: { readonly keys: HostTensor; readonly values: HostTensor } | undefined;

  constructor(heads: number, headDim: number) {
    this.#heads = heads;
    this.#headDim = headDim;
  }

  get lengths(): readonly number[] {
    return this.#lengths;
  }

  get bytes(): number {
    return this.#keys.byteLength + this.#values.byteLength;
  }

  /** [sequences, K, places, H]; the same object as long as the memory is the same. */
  get keys(): HostTensor {
    return this.#views().keys;
  }

  /** Likewise. */
  get values(): HostTensor {
    return this.#views().values;
  }

  /** A new last sequence, with what a prompt left: keys and values [1, K, n, H]. */
  add(keys: HostTensor, values: HostTensor): void {
    const length = keys.shape[2]!;
    const sequence = this.#lengths.length;
    this.#lengths.push(0);
    this.#viewed = undefined;
    this.#reserve(sequence + 1, length + 1);
    for (let head = 0; head < this.#heads; head++) {
      const start = head * length * this.#headDim;
      const end = start + length * this.#headDim;
      const at = this.#offset(sequence, head, 0);
      this.#keys.set((keys.data as Float32Array).subarray(start, end), at);
      this.#values.set((values.data as Float32Array).subarray(start, end), at);
    }
    this.#lengths[sequence] = length;
  }

  /** One more token for each of the given sequences: keys and values [n, K, 1, H]. */
  append(sequences: readonly number[], keys: HostTensor, values: HostTensor): void {
    const [keyData, valueData] = [keys.data as Float32Array, values.data as Float32Array];
    for (const [row, sequence] of sequences.entries()) {
      const place = this.#lengths[sequence]!++;
      for (let head = 0; head < this.#heads; head++) {
        const from = (row * this.#heads + head) * this.#headDim;
        const at = this.#offset(sequence, head, place);
        // A copy of a few dozen numbers: a loop is faster than a view of each part.
        for (let i = 0; i < this.#headDim; i++) {
          this.#keys[at + i] = keyData[from + i]!;
          this.#values[at + i] = valueData[from + i]!;
        }
      }
    }
    // Room for the next token, so that a step can always be fed.
    let longest = 0;
    for (const sequence of sequences) longest = Math.max(longest, this.#lengths[sequence]!);
    this.#reserve(this.#lengths.length, longest + 1);
  }

  /** Ends a sequence; the last one takes its place. */
  remove(sequence: number): void {
    const last = this.#lengths.length - 1;
    const size = this.#heads * this.#places * this.#headDim;
    for (const array of [this.#keys, this.#values]) array.copyWithin(sequence * size, last * size, (last + 1) * size);
    this.#lengths[sequence] = this.#lengths[last]!;
    this.#lengths.pop();
    this.#viewed = undefined;
    if (this.#lengths.length === 0) this.#release();
  }

  /** With no sequence left the next ones begin small: attention computes all places, taken or not. */
  #release(): void {
    this.#keys = new Float32Array(0);
    this.#values = new Float32Array(0);
    this.#sequences = 0;
    this.#places = 0;
  }

  #offset = (sequence: number, head: number, place: number): number =>
    ((sequence * this.#heads + head) * this.#places + place) * this.#headDim;

  /** Made anew where sequences come or go, or memory is allotted: a step that only appends is fed the same tensors again. */
  #views(): { readonly keys: HostTensor; readonly values: HostTensor } {
    if (this.#viewed === undefined) {
      const shape = [this.#lengths.length, this.#heads, this.#places, this.#headDim];
      const size = shape.reduce((a, b) => a * b);
      const view = (array: Float32Array) => float32(shape, array.subarray(0, size));
      this.#viewed = { keys: view(this.#keys), values: view(this.#values) };
    }
    return this.#viewed;
  }

  /** Makes room for so many sequences and places; what is there is kept. */
  #reserve(sequences: number, places: number): void {
    if (sequences <= this.#sequences && places <= this.#places) return;
    this.#viewed = undefined;
    const old = { keys: this.#keys, values: this.#values, places: this.#places };
    // Sequences may come one by one: room doubles, then grows by eight, so that each is moved a few times and little is unused.
    if (sequences > this.#sequences) {
      const step = Math.min(8, Math.max(1, this.#sequences));
      this.#sequences = step * Math.ceil(sequences / step);
    }
    if (places > this.#places) this.#places = PLACES_STEP * Math.ceil(places / PLACES_STEP);
    const size = this.#sequences * this.#heads * this.#places * this.#headDim;
    this.#keys = new Float32Array(size);
    this.#values = new Float32Array(size);
    for (const [sequence, length] of this.#lengths.entries()) {
      for (let head = 0; head < this.#heads; head++) {
        const from = (sequence * this.#heads + head) * old.places * this.#headDim;
        const at = this.#offset(sequence, head, 0);
        this.#keys.set(old.keys.subarray(from, from + length * this.#headDim), at);
        this.#values.set(old.values.subarray(from, from + length * this.#headDim), at);
      }
    }
  }
}
