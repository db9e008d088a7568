/** Rows of numbers, kept by columns: 100,000 of them in a few megabytes, and ready to be sent as they lie in memory. */

/** A column as it is sent. Steps, tokens, FLOPs and seconds need more digits than 32 bits have. */
export type Column = Float64Array | Float32Array;

export interface Columns {
  readonly count: number;
  readonly columns: Readonly<Record<string, Column>>;
}

/** What lies along the x axis of a chart. */
const WIDE = new Set(["step", "tokens", "flops", "seconds"]);

/** A table that grows. A number that a row lacks is NaN. */
export class Table {
  readonly #columns = new Map<string, Column>();
  #count = 0;
  #room = 0;

  get count(): number {
    return this.#count;
  }

  add(row: Readonly<Record<string, number>>): void {
    if (this.#count === this.#room) this.#grow();
    for (const [name, value] of Object.entries(row)) {
      if (!this.#columns.has(name)) this.#columns.set(name, this.#empty(name));
      this.#columns.get(name)![this.#count] = value;
    }
    this.#count++;
  }

  /** The last number of a column; NaN if there is none. */
  last(name: string): number {
    return this.#count === 0 ? Number.NaN : (this.#columns.get(name)?.[this.#count - 1] ?? Number.NaN);
  }

  /** A view of the rows from `from` on; it lies in the table's own memory. */
  view(from = 0): Columns {
    const parts = [...this.#columns].map(([name, column]) => [name, column.subarray(from, this.#count)] as const);
    return { count: Math.max(0, this.#count - from), columns: Object.fromEntries(parts) };
  }

  #empty(name: string): Column {
    return new (WIDE.has(name) ? Float64Array : Float32Array)(this.#room).fill(Number.NaN);
  }

  #grow(): void {
    this.#room = Math.max(256, 2 * this.#room);
    for (const [name, column] of this.#columns) {
      const larger = this.#empty(name);
      larger.set(column);
      this.#columns.set(name, larger);
    }
  }
}

/** Columns as JSON has them: null for what is missing. */
export function jsonColumns({ count, columns }: Columns) {
  const lists = Object.entries(columns).map(([name, column]) => [
    name,
    Array.from(column, (value) => (Number.isFinite(value) ? value : null)),
  ]);
  return { count, columns: Object.fromEntries(lists) as Record<string, (number | null)[]> };
}
