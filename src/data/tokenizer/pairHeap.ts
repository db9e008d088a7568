/** A binary heap of pairs of numbers, the lexicographically smallest first: by `major`, then by `minor`. */
export class PairHeap {
  readonly #major: number[] = [];
  readonly #minor: number[] = [];

  get size(): number {
    return this.#major.length;
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#major[a]!, this.#major[b]!];
    return x < y || (x === y && this.#minor[a]! < this.#minor[b]!);
  }

  #swap(a: number, b: number): void {
    const [major, minor] = [this.#major[a]!, this.#minor[a]!];
    this.#major[a] = this.#major[b]!;
    this.#minor[a] = this.#minor[b]!;
    this.#major[b] = major;
    this.#minor[b] = minor;
  }

  push(major: number, minor: number): void {
    this.#major.push(major);
    this.#minor.push(minor);
    let i = this.#major.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  /** Takes the smallest pair out; `undefined` where the heap is empty. */
  pop(): { major: number; minor: number } | undefined {
    if (this.#major.length === 0) return undefined;
    this.#swap(0, this.#major.length - 1);
    const top = { major: this.#major.pop()!, minor: this.#minor.pop()! };
    let i = 0;
    for (;;) {
      let smallest = i;
      const child = 2 * i + 1;
      if (child < this.size && this.#before(child, smallest)) smallest = child;
      if (child + 1 < this.size && this.#before(child + 1, smallest)) smallest = child + 1;
      if (smallest === i) return top;
      this.#swap(i, smallest);
      i = smallest;
    }
  }
}
