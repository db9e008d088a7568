import { expect, test } from "vitest";
import { fitStudy } from "./fit.ts";
import { fitPowerLaw, powerLawsOf } from "./powerLaw.ts";
import { surfaceLoss, syntheticResults, syntheticStudy } from "./testing/syntheticStudy.ts";

test("points of a power law give it back", () => {
  const points = [1e12, 1e13, 1e14, 1e15].map((x) => ({ x, y: 0.3 * x ** 0.47 }));
  expect(fitPowerLaw(points)).toEqual({ coefficient: expect.closeTo(0.3, 9), exponent: expect.closeTo(0.47, 12) });
});

test("two budgets are not enough", () => {
  expect(fitPowerLaw([1, 2, 2].map((x) => ({ x, y: x })))).toBeNull();
});

test("the optimum of a loss surface grows with beta / (alpha + beta)", () => {
  const study = syntheticStudy();
  const laws = powerLawsOf(fitStudy(study, syntheticResults(study, surfaceLoss(0.001))));
  expect(laws.map(({ family, quantity }) => `${family} ${quantity}`)).toEqual(
    ["vanilla", "mod", "random"].flatMap((family) => [`${family} parameters`, `${family} forwardFlopsPerToken`]),
  );
  for (const { exponent, budgets } of laws) {
    expect(exponent.value).toBeCloseTo(0.28 / 0.62, 1);
    expect(exponent.interval!.low).toBeLessThan(exponent.value);
    expect(exponent.interval!.high).toBeGreaterThan(exponent.value);
    expect(budgets).toEqual([3e12, 1e13, 3e13]);
  }
});

test("minima that are not bracketed are left out", () => {
  const study = syntheticStudy();
  const results = syntheticResults(study, surfaceLoss()).filter(
    ({ family, budget, parameters }) => family !== "mod" || budget < 3e13 || parameters < 400_000,
  );
  const laws = powerLawsOf(fitStudy(study, results));
  expect(new Set(laws.map(({ family }) => family))).toEqual(new Set(["vanilla", "random"]));
});
