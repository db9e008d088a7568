/** Curves of any length, drawn by the few points that can be seen. */

export interface Points {
  readonly xs: number[];
  readonly ys: number[];
}

/**
 * The points of a curve within a range of x, and its next neighbours outside: as they are where they are few, and else of each of
 * `buckets` stretches the lowest and the highest, in their order. Drawn, that looks like the whole: no peak is lost. Missing
 * values (NaN) are left out.
 *
 * @param xs ascending
 */
export function decimate(
  xs: ArrayLike<number>,
  ys: ArrayLike<number>,
  [low, high]: readonly [low: number, high: number],
  buckets: number,
): Points {
  const first = Math.max(0, lowerBound(xs, low) - 1);
  const end = Math.min(xs.length, lowerBound(xs, high) + 1);
  const kept: Points = { xs: [], ys: [] };
  const keep = (i: number) => {
    kept.xs.push(xs[i]!);
    kept.ys.push(ys[i]!);
  };
  if (end - first <= 2 * buckets) {
    for (let i = first; i < end; i++) if (!Number.isNaN(ys[i]!)) keep(i);
    return kept;
  }
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = first + Math.floor((bucket * (end - first)) / buckets);
    const stop = first + Math.floor(((bucket + 1) * (end - first)) / buckets);
    const [least, most] = extremes(ys, start, stop);
    if (least === -1) continue;
    keep(Math.min(least, most));
    if (least !== most) keep(Math.max(least, most));
  }
  return kept;
}

/** Places of the least and the greatest value; −1 where all are missing. */
function extremes(ys: ArrayLike<number>, start: number, stop: number): [least: number, most: number] {
  let [least, most] = [-1, -1];
  for (let i = start; i < stop; i++) {
    const y = ys[i]!;
    if (Number.isNaN(y)) continue;
    if (least === -1 || y < ys[least]!) least = i;
    if (most === -1 || y > ys[most]!) most = i;
  }
  return [least, most];
}

/** The first place whose value is not below `value`. */
export function lowerBound(xs: ArrayLike<number>, value: number): number {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Exponential moving average, corrected for its start as Adam's moments are: the first values weigh no more than they should.
 *
 * @param factor of the average so far, in [0, 1); 0 leaves the values as they are
 */
export function smooth(ys: ArrayLike<number>, factor: number): Float64Array {
  const smoothed = new Float64Array(ys.length);
  let [average, weight] = [0, 0];
  for (let i = 0; i < ys.length; i++) {
    const y = ys[i]!;
    if (Number.isNaN(y)) {
      smoothed[i] = Number.NaN;
      continue;
    }
    average = factor * average + (1 - factor) * y;
    weight = factor * weight + (1 - factor);
    smoothed[i] = average / weight;
  }
  return smoothed;
}
