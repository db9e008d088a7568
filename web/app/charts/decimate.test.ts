import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../../../src/testing/cases.ts";
import { decimate, lowerBound, smooth } from "./decimate.ts";
import { formatRange, movedRange, parseRange } from "./range.ts";

const count = 100_000;
const xs = Float64Array.from({ length: count }, (_, i) => i);

test("a long curve becomes few points, in order, and keeps its peaks", () => {
  const ys = Float64Array.from(xs, (x) => Math.sin(x / 500));
  ys[54_321] = 9;
  ys[12_345] = -7;
  const points = decimate(xs, ys, [0, count], 600);
  expect(points.xs.length).toBeLessThanOrEqual(1200);
  expect(points.xs).toEqual([...points.xs].sort((a, b) => a - b));
  expect(Math.max(...points.ys)).toBe(9);
  expect(Math.min(...points.ys)).toBe(-7);
  expect(points.xs[points.ys.indexOf(9)]).toBe(54_321);
});

test("within a range, points are kept with a neighbour outside on either side", () => {
  expect(decimate(xs, xs, [10, 12.5], 600).xs).toEqual([9, 10, 11, 12, 13]);
});

test("missing values leave no point, whole stretches of them neither", () => {
  const ys = Float64Array.from(xs, (x) => (x < 50_000 || x % 2 === 0 ? Number.NaN : x));
  const points = decimate(xs, ys, [0, count], 300);
  expect(points.ys.some(Number.isNaN)).toBe(false);
  expect(points.xs[0]).toBeGreaterThan(50_000);
  expect(decimate([0, 1, 2], [Number.NaN, 5, Number.NaN], [0, 2], 10)).toEqual({ xs: [1], ys: [5] });
});

test("every stretch keeps its least and greatest value, whatever the curve", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 50, maxLength: 400 }),
      fc.integer({ min: 3, max: 20 }),
      (ys, buckets) => {
        const points = decimate(
          ys.map((_, i) => i),
          ys,
          [0, ys.length],
          buckets,
        );
        expect(Math.max(...points.ys)).toBe(Math.max(...ys));
        expect(Math.min(...points.ys)).toBe(Math.min(...ys));
      },
    ),
    cases(),
  );
});

test("lowerBound finds the first that is not below", () => {
  expect([-1, 0, 1.5, 3, 4].map((value) => lowerBound([0, 1, 2, 3], value))).toEqual([0, 0, 2, 3, 4]);
});

test("smoothing keeps a constant, begins at the first value, and skips what is missing", () => {
  expect(Array.from(smooth([3, 3, 3], 0.9))).toEqual([3, 3, 3].map((value) => expect.closeTo(value, 10)));
  const [first, second, third] = smooth([1, Number.NaN, 2], 0.5);
  expect(first).toBe(1);
  expect(second).toBeNaN();
  expect(third).toBeCloseTo((0.25 * 1 + 0.5 * 2) / 0.75, 10);
  expect(Array.from(smooth([1, 4], 0))).toEqual([1, 4]);
});

test("keys zoom and move within what there is", () => {
  const full = [0, 100] as const;
  expect(movedRange("+", full, null)).toEqual([25, 75]);
  expect(movedRange("-", full, [25, 75])).toBeNull();
  expect(movedRange("-", full, [0, 10])).toEqual([0, 20]);
  expect(movedRange("ArrowRight", full, [60, 100])).toEqual([60, 100]);
  expect(movedRange("ArrowLeft", full, [60, 100])).toEqual([50, 90]);
  expect(movedRange("0", full, [1, 2])).toBeNull();
  expect(movedRange("x", full, null)).toBeUndefined();
});

test("a range comes back from an address", () => {
  for (const range of [
    [100, 2000],
    [0.5, 1.25],
    [2.5e9, 3e13],
  ] as const)
    expect(parseRange(formatRange(range))).toEqual(range);
  for (const text of ["", "5", "5~", "~5", "7~3", "a~b", "1~2~3"]) expect(parseRange(text), text).toBeNull();
});
