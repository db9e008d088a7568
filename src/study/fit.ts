import { drawLosses, pooledDeviations } from "./bootstrap.ts";
import { type Cell, cellsOf, type SizeRuns } from "./cells.ts";
import { groupBy } from "./groupBy.ts";
import { type Minimum, minimumOf } from "./minimum.ts";
import type { RunResult } from "./runResult.ts";
import { type Interval, interval95 } from "./statistics.ts";
import type { Study } from "./studySchema.ts";

/** A family at a budget, fitted. */
export interface FamilyFit extends Cell {
  /** null: fewer than three sizes have been run. */
  readonly minimum: Minimum | null;
  /** What other seeds might have given; null where no size of the budget has several. Fits of one study share the draws' numbers. */
  readonly draws: readonly Minimum[] | null;
  readonly intervals: MinimumIntervals | null;
}

/** Of the minimum, 95 % each. */
export interface MinimumIntervals {
  readonly lossNats: Interval;
  readonly parameters: Interval;
  readonly forwardFlopsPerToken: Interval;
  /** Share of the draws in which the sizes bracket the minimum. */
  readonly bracketedShare: number;
}

/** A number worked out from fits, with its 95 % interval; null where there are no draws, or where it is undefined in many. */
export interface Estimate {
  readonly value: number;
  readonly interval: Interval | null;
}

/** Draws without a value are left out of an interval, up to this share of them. */
const MAX_UNDEFINED = 0.05;

/**
 * Fits each family at each budget: a parabola of the headline loss over ln(parameters), its minimum, and intervals by bootstrap over
 * seeds. Any result may be missing.
 */
export function fitStudy(study: Study, results: readonly RunResult[]): FamilyFit[] {
  const cells = cellsOf(study, results);
  const pools = new Map(
    [...groupBy(cells, ({ budget }) => budget)].map(([budget, same]) => [budget, pooledDeviations(same)]),
  );
  return cells.map((cell) => fitCell(cell, pools.get(cell.budget)!));
}

function fitCell(cell: Cell, pool: readonly number[]): FamilyFit {
  const measured = cell.sizes.map(toLoss);
  const minimum = minimumOf(measured);
  const losses = minimum === null ? null : drawLosses(cell, pool);
  const draws =
    losses?.map((means) => minimumOf(measured.map((size, i) => ({ ...size, lossNats: means[i]! })))!) ?? null;
  return { ...cell, minimum, draws, intervals: draws === null ? null : intervalsOf(draws) };
}

const toLoss = ({ parameters, forwardFlopsPerToken, lossNats, runs }: SizeRuns) => ({
  ...{ parameters, forwardFlopsPerToken, lossNats },
  weight: runs.length,
});

function intervalsOf(draws: readonly Minimum[]): MinimumIntervals {
  const over = (of: (minimum: Minimum) => number) => interval95(draws.map(of));
  return {
    lossNats: over(({ lossNats }) => lossNats),
    parameters: over(({ parameters }) => parameters),
    forwardFlopsPerToken: over(({ forwardFlopsPerToken }) => forwardFlopsPerToken),
    bracketedShare: draws.filter(({ bracketed }) => bracketed).length / draws.length,
  };
}

/** Share of the draws that must bracket a minimum for something to rest on its place. */
const SURE = 0.95;

/** Whether a minimum lies between the sizes that were run, and would under other seeds too, as far as that is known. */
export const isBracketed = ({ minimum, intervals }: FamilyFit): boolean =>
  minimum?.bracketed === true && (intervals?.bracketedShare ?? 1) >= SURE;

/** Bits per byte of a loss, on the text that the study's runs were evaluated on. */
export function bitsPerByte(lossNats: number, { validationTokens, validationBytes }: RunResult): number {
  return (lossNats * validationTokens) / (Math.LN2 * validationBytes);
}

/**
 * A function of the minima of fits, at the fits and, for its interval, at each draw. Fits of the same study are drawn together.
 *
 * @param of null: undefined there
 */
export function estimate(
  fits: readonly FamilyFit[],
  of: (minima: readonly Minimum[]) => number | null,
): Estimate | null {
  const minima = fits.flatMap(({ minimum }) => minimum ?? []);
  const value = minima.length < fits.length ? null : of(minima);
  if (value === null) return null;
  const drawn = fits.map(({ draws }) => draws);
  if (drawn.some((draws) => draws === null)) return { value, interval: null };
  const count = Math.min(...drawn.map((draws) => draws!.length));
  const values = Array.from({ length: count }, (_, i) => of(drawn.map((draws) => draws![i]!)));
  const defined = values.filter((each) => each !== null);
  return { value, interval: defined.length < (1 - MAX_UNDEFINED) * count ? null : interval95(defined) };
}
