import { expect, test } from "vitest";
import { hashText, normal } from "../random.ts";
import { DRAWS } from "./bootstrap.ts";
import { bitsPerByte, estimate, type FamilyFit, fitStudy } from "./fit.ts";
import type { Interval } from "./statistics.ts";
import {
  FAMILIES,
  type SyntheticOptions,
  type SyntheticRun,
  surfaceLoss,
  syntheticResults,
  syntheticStudy,
  trueMinimum,
} from "./testing/syntheticStudy.ts";

/** A parabola over ln(parameters): lowest at 300k, where the loss is 2. */
const bowl = ({ parameters }: SyntheticRun): number => 2 + 0.1 * Math.log(parameters / 300_000) ** 2;
const noisy =
  (std: number, salt = 0) =>
  (run: SyntheticRun): number =>
    bowl(run) + std * normal(hashText(run.id), salt);
const SMALL: SyntheticOptions = { budgets: [1e13], families: ["vanilla"], sizes: [100_000, 200_000, 400_000, 800_000] };

const fitOne = (options: SyntheticOptions, lossOf: (run: SyntheticRun) => number): FamilyFit => {
  const study = syntheticStudy({ ...SMALL, ...options });
  return fitStudy(study, syntheticResults(study, lossOf))[0]!;
};

test("losses on a parabola give its minimum back", () => {
  const { minimum } = fitOne({ seeds: [0] }, bowl);
  expect(minimum).toMatchObject({ bracketed: true, lossNats: expect.closeTo(2, 9) });
  expect(minimum!.parameters).toBeCloseTo(300_000, 0);
  // Vanilla models of this test take two FLOPs a parameter.
  expect(minimum!.forwardFlopsPerToken).toBeCloseTo(600_000, 0);
});

test("the minimum of a loss surface is found, for each family at each budget", () => {
  const study = syntheticStudy();
  const fits = fitStudy(study, syntheticResults(study, surfaceLoss(0.002)));
  expect(fits).toHaveLength(9);
  for (const { family, budget, minimum, planned } of fits) {
    const truth = trueMinimum(family, budget);
    expect(planned).toBe(27);
    expect(minimum!.bracketed).toBe(true);
    expect(minimum!.lossNats).toBeCloseTo(truth.lossNats, 2);
    expect(Math.abs(Math.log(minimum!.parameters / truth.parameters)), `${family} ${budget}`).toBeLessThan(0.15);
    const flops = 2 * FAMILIES[family]!.cost * minimum!.parameters;
    expect(minimum!.forwardFlopsPerToken / flops).toBeCloseTo(1, 6);
  }
});

test("forward FLOPs between two sizes follow a power of the parameters", () => {
  const study = syntheticStudy({ ...SMALL, seeds: [0] });
  const results = syntheticResults(study, bowl).map((result) => ({
    ...result,
    forwardFlopsPerToken: 1e6 * (result.parameters / 200_000) ** 1.5,
  }));
  const { minimum } = fitStudy(study, results)[0]!;
  expect(minimum!.forwardFlopsPerToken).toBeCloseTo(1e6 * 1.5 ** 1.5, 0);
});

test.each([
  ["above the largest", [50_000, 100_000, 200_000], 200_000],
  ["below the smallest", [400_000, 800_000, 1_600_000], 400_000],
])("a minimum %s size is not extrapolated: the best size stands in", (_, sizes, best) => {
  const { minimum, intervals } = fitOne({ sizes }, noisy(0.001));
  expect(minimum).toMatchObject({ bracketed: false, parameters: best, forwardFlopsPerToken: 2 * best });
  expect(minimum!.lossNats).toBeCloseTo(bowl({ parameters: best } as SyntheticRun), 2);
  expect(intervals!.bracketedShare).toBe(0);
});

test("a hill has no minimum", () => {
  const { minimum } = fitOne({ seeds: [0] }, (run) => -bowl(run));
  // The farther end.
  expect(minimum).toMatchObject({ bracketed: false, parameters: 100_000 });
});

test("two sizes are not fitted, and none neither", () => {
  const study = syntheticStudy(SMALL);
  const results = syntheticResults(study, bowl);
  const two = fitStudy(
    study,
    results.filter(({ parameters }) => parameters < 300_000),
  )[0]!;
  expect(two).toMatchObject({ minimum: null, draws: null, intervals: null, planned: 12 });
  expect(two.sizes.map(({ parameters }) => parameters)).toEqual([100_000, 200_000]);
  expect(fitStudy(study, [])).toEqual([
    { budget: 1e13, family: "vanilla", sizes: [], planned: 12, minimum: null, draws: null, intervals: null },
  ]);
});

test("a run of a block that stands in the grid twice is planned once", () => {
  const study = syntheticStudy(SMALL);
  const twice = { ...study, grid: [...study.grid, { ...study.grid[0]!, seeds: [2, 3] }] };
  expect(fitStudy(twice, [])[0]!.planned).toBe(4 * 4);
});

test("without any size of several seeds there is no interval", () => {
  expect(fitOne({ seeds: [0] }, noisy(0.01))).toMatchObject({ draws: null, intervals: null });
});

test("intervals are the same each time, and as wide as the noise asks for", () => {
  const seeds = Array.from({ length: 40 }, (_, i) => i);
  const [first, again] = [fitOne({ seeds }, noisy(0.01)), fitOne({ seeds }, noisy(0.01))];
  expect(again.intervals).toEqual(first.intervals);
  expect(first.draws).toHaveLength(DRAWS);
  // The minimum's variance to first order: the leverage of a parabola at its minimum, worked out for these four sizes.
  const us = first.sizes.map(({ parameters }) => Math.log(parameters / 300_000));
  const leverage = leverageAtZero(us) / seeds.length;
  const { low, high } = first.intervals!.lossNats;
  expect((high - low) / (2 * 1.96 * 0.01 * Math.sqrt(leverage))).toBeCloseTo(1, 0);
});

test.each([
  ["three seeds of every size", [3, 3, 3, 3]],
  ["one seed but for two sizes, of three", [1, 3, 3, 1]],
  ["one seed but for one size, of two", [1, 2, 1, 1]],
])("intervals hold the truth as often as they say, with %s", (_, counts) => {
  const study = syntheticStudy({ ...SMALL, seeds: [0, 1, 2] });
  const trials = 200;
  const hits = Array.from({ length: trials }, (_, trial) => {
    const results = syntheticResults(study, noisy(0.01, trial)).filter(
      ({ parameters, seed }) => seed < counts[SMALL.sizes!.indexOf(parameters)]!,
    );
    const { lossNats, parameters } = fitStudy(study, results)[0]!.intervals!;
    const holds = ({ low, high }: Interval, truth: number) => low <= truth && truth <= high;
    return [holds(lossNats, 2), holds(parameters, 300_000)];
  });
  for (const quantity of [0, 1]) {
    const share = hits.filter((hit) => hit[quantity]).length / trials;
    // Three standard errors of so many trials.
    expect(Math.abs(share - 0.95)).toBeLessThan(3 * Math.sqrt((0.95 * 0.05) / trials));
  }
});

test("a single seed borrows the deviations of other sizes of its budget, other families included", () => {
  const study = syntheticStudy({ ...SMALL, families: ["vanilla", "mod"] });
  const results = syntheticResults(study, noisy(0.01)).filter(({ family, seed }) => family === "mod" || seed === 0);
  const [vanilla, mod] = fitStudy(study, results);
  expect(vanilla!.sizes.every(({ runs }) => runs.length === 1)).toBe(true);
  const width = ({ intervals }: FamilyFit) => intervals!.lossNats.high - intervals!.lossNats.low;
  // One seed where the other family has three.
  expect(width(vanilla!) / width(mod!)).toBeCloseTo(Math.sqrt(3), 0);
});

test("functions of two fits are drawn together", () => {
  const study = syntheticStudy({ ...SMALL, families: ["vanilla", "mod"] });
  const [vanilla, mod] = fitStudy(study, syntheticResults(study, noisy(0.01)));
  const same = estimate([vanilla!, vanilla!], ([a, b]) => a!.lossNats - b!.lossNats);
  expect(same).toEqual({ value: 0, interval: { low: 0, high: 0 } });
  const other = estimate([mod!, vanilla!], ([a, b]) => a!.lossNats - b!.lossNats)!;
  expect(other.value).toBe(mod!.minimum!.lossNats - vanilla!.minimum!.lossNats);
  expect(other.interval!.high).toBeGreaterThan(other.interval!.low);
  expect(estimate([mod!], () => null)).toBeNull();
  let draw = 0;
  expect(estimate([mod!], () => (draw++ % 2 === 0 ? 1 : null))).toEqual({ value: 1, interval: null });
});

test("bits per byte follow the loss", () => {
  const [result] = syntheticResults(syntheticStudy(SMALL), bowl);
  expect(bitsPerByte(result!.lossNats, result!)).toBeCloseTo(result!.bitsPerByte, 12);
});

/** Of the value of a least-squares parabola at u = 0, over the variance of one point: e' (X'X)^-1 e. */
function leverageAtZero(us: readonly number[]): number {
  const s = (n: number) => us.reduce((sum, u) => sum + u ** n, 0);
  const determinant =
    us.length * (s(2) * s(4) - s(3) ** 2) - s(1) * (s(1) * s(4) - s(2) * s(3)) + s(2) * (s(1) * s(3) - s(2) ** 2);
  return (s(2) * s(4) - s(3) ** 2) / determinant;
}
