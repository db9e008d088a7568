import { hashText, randomBelow } from "../random.ts";
import { type Cell, runsOf } from "./cells.ts";

/** Draws of the bootstrap: enough that the ends of a 95 % interval hardly depend on them. */
export const DRAWS = 1000;

/**
 * How losses of runs deviate from the mean over seeds of their size, over all sizes with several seeds. Deviations from a mean of n values
 * are too small by sqrt((n − 1) / n): they are made larger by as much.
 */
export function pooledDeviations(cells: readonly Cell[]): number[] {
  return cells.flatMap(({ sizes }) => sizes.flatMap(({ runs, lossNats }) => deviations(runs, lossNats)));
}

function deviations(runs: readonly { lossNats: number }[], mean: number): number[] {
  if (runs.length < 2) return [];
  const factor = Math.sqrt(runs.length / (runs.length - 1));
  return runs.map(({ lossNats }) => factor * (lossNats - mean));
}

/**
 * Mean losses of a cell's sizes as other seeds might have given them, a list for each draw. A size with several seeds draws from
 * their deviations, as many as it has; one with a single seed draws from the pooled ones.
 *
 * @param pool of all cells of the budget; without any there is nothing to draw from, and the answer is null
 */
export function drawLosses(cell: Cell, pool: readonly number[]): number[][] | null {
  if (pool.length === 0 || runsOf(cell).length === 0) return null;
  const sources = cell.sizes.map(({ size, runs, lossNats }) => ({
    lossNats,
    count: runs.length,
    from: runs.length > 1 ? deviations(runs, lossNats) : pool,
    stream: hashText(`${cell.budget}/${cell.family}/${size}`),
  }));
  return Array.from({ length: DRAWS }, (_, draw) =>
    sources.map(({ lossNats, count, from, stream }) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += from[randomBelow(from.length, stream, draw, i)]!;
      return lossNats + sum / count;
    }),
  );
}
