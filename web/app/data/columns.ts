import type { Cursor, Rows } from "../../../src/ui/api.ts";

/** Columns that grow at their end. The arrays have room to spare: `count` says how much of them is there. */
export class GrowingColumns {
  count: number;
  readonly #columns: Map<string, Float64Array>;

  constructor(count = 0, columns: Readonly<Record<string, ArrayLike<number>>> = {}) {
    this.count = count;
    this.#columns = new Map(Object.entries(columns).map(([name, column]) => [name, new Float64Array(column)]));
  }

  get names(): string[] {
    return [...this.#columns.keys()];
  }

  /** A column's numbers so far; undefined if there is none of that name. */
  column(name: string): Float64Array | undefined {
    return this.#columns.get(name)?.subarray(0, this.count);
  }

  append({ count, columns }: Rows): void {
    const total = this.count + count;
    for (const name of Object.keys(columns)) if (!this.#columns.has(name)) this.#columns.set(name, new Float64Array(0));
    for (const [name, column] of this.#columns) {
      const roomy = column.length >= total ? column : grown(column, this.count, total);
      const added = columns[name];
      for (let i = 0; i < count; i++) roomy[this.count + i] = added?.[i] ?? Number.NaN;
      this.#columns.set(name, roomy);
    }
    this.count = total;
  }
}

function grown(column: Float64Array, count: number, total: number): Float64Array {
  const larger = new Float64Array(Math.max(256, 2 * total)).fill(Number.NaN);
  larger.set(column.subarray(0, Math.min(count, column.length)));
  return larger;
}

/** A run's metrics as charts draw them. */
export interface RunMetrics {
  readonly steps: GrowingColumns;
  readonly evaluations: GrowingColumns;
  cursor: Cursor;
}

export const noMetrics = (): RunMetrics => ({
  steps: new GrowingColumns(),
  evaluations: new GrowingColumns(),
  cursor: { file: "none", steps: 0, evaluations: 0 },
});
