/** A hash table from a pair of token ids to a non-negative integer, in typed arrays: open addressing, linear probing. */
export class PairTable {
  #left: Int32Array;
  #right: Int32Array;
  /** -1 marks an empty slot. */
  #value: Int32Array;
  #mask: number;
  #size = 0;

  constructor(expectedSize = 1024) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, expectedSize * 2)));
    this.#left = new Int32Array(slots);
    this.#right = new Int32Array(slots);
    this.#value = new Int32Array(slots).fill(-1);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  #slot(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 0x7f4a7c15, 0x85ebca77);
    hash ^= hash >>> 15;
    let slot = hash & this.#mask;
    while (this.#value[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  /** The value of a pair, -1 where it has none. */
  get(left: number, right: number): number {
    return this.#value[this.#slot(left, right)]!;
  }

  set(left: number, right: number, value: number): void {
    const slot = this.#slot(left, right);
    if (this.#value[slot] === -1) {
      this.#size++;
      if (this.#size * 2 > this.#mask) {
        this.#grow();
        this.#write(this.#slot(left, right), left, right, value);
        return;
      }
    }
    this.#write(slot, left, right, value);
  }

  #write(slot: number, left: number, right: number, value: number): void {
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#value[slot] = value;
  }

  #grow(): void {
    const [left, right, value] = [this.#left, this.#right, this.#value];
    const slots = value.length * 2;
    this.#left = new Int32Array(slots);
    this.#right = new Int32Array(slots);
    this.#value = new Int32Array(slots).fill(-1);
    this.#mask = slots - 1;
    for (let i = 0; i < value.length; i++) {
      if (value[i] !== -1) this.#write(this.#slot(left[i]!, right[i]!), left[i]!, right[i]!, value[i]!);
    }
  }
}
