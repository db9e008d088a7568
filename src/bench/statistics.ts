/** What is kept of the times of a row, in milliseconds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
}

/** Median: the middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("median: there must be a value, got none");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export const spread = (values: readonly number[]): Spread => ({ median: median(values), min: Math.min(...values) });
