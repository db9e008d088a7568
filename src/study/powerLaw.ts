import { type Estimate, estimate, type FamilyFit, isBracketed } from "./fit.ts";
import { groupBy } from "./groupBy.ts";
import type { Minimum } from "./minimum.ts";
import { mean } from "./statistics.ts";

/** y = coefficient · x^exponent. */
export interface PowerLaw {
  readonly coefficient: number;
  readonly exponent: number;
}

const NEEDED = 3;

/** Least squares in logarithms; null where there are fewer than three different x. */
export function fitPowerLaw(points: readonly { readonly x: number; readonly y: number }[]): PowerLaw | null {
  if (new Set(points.map(({ x }) => x)).size < NEEDED) return null;
  const [xs, ys] = [points.map(({ x }) => Math.log(x)), points.map(({ y }) => Math.log(y))];
  const [centre, level] = [mean(xs), mean(ys)];
  const product = xs.reduce((sum, x, i) => sum + (x - centre) * (ys[i]! - level), 0);
  const exponent = product / xs.reduce((sum, x) => sum + (x - centre) ** 2, 0);
  return { coefficient: Math.exp(level - exponent * centre), exponent };
}

export const LAW_QUANTITIES = ["parameters", "forwardFlopsPerToken"] as const;
export type LawQuantity = (typeof LAW_QUANTITIES)[number];

/** How a family's optimum grows with the budget C: quantity = coefficient · C^exponent. */
export interface FamilyPowerLaw {
  readonly family: string;
  readonly quantity: LawQuantity;
  /** Whose minima are bracketed: the others are left out. */
  readonly budgets: readonly number[];
  readonly coefficient: number;
  readonly exponent: Estimate;
}

/** Power laws of the families that have bracketed minima at three budgets or more. */
export function powerLawsOf(fits: readonly FamilyFit[]): FamilyPowerLaw[] {
  const found = fits.filter(isBracketed);
  return [...groupBy(found, ({ family }) => family)].flatMap(([family, same]) =>
    LAW_QUANTITIES.flatMap((quantity) => {
      const lawOf = (minima: readonly Minimum[]) =>
        fitPowerLaw(minima.map((minimum, i) => ({ x: same[i]!.budget, y: minimum[quantity] })));
      const exponent = estimate(same, (minima) => lawOf(minima)?.exponent ?? null);
      if (exponent === null) return [];
      const { coefficient } = lawOf(same.map(({ minimum }) => minimum!))!;
      return [{ family, quantity, budgets: same.map(({ budget }) => budget), coefficient, exponent }];
    }),
  );
}
