import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../testing/cases.ts";
import { fitParabola, lowestAt, placesOf, valueAt } from "./parabola.ts";

const points = (xs: readonly number[], of: (x: number) => number, weight = 1) =>
  xs.map((x) => ({ x, y: of(x), weight }));

test("points of a parabola give it back, with its lowest place and where it has a value", () => {
  const of = (x: number) => 1.5 + 0.2 * (x - 13) ** 2;
  const fit = fitParabola(points([11, 12, 12.5, 14, 15], of))!;
  expect(lowestAt(fit)).toBeCloseTo(13, 9);
  expect(valueAt(fit, 13)).toBeCloseTo(1.5, 9);
  expect(valueAt(fit, 11.7)).toBeCloseTo(of(11.7), 9);
  expect(placesOf(fit, 1.7)).toEqual([expect.closeTo(12, 8), expect.closeTo(14, 8)]);
  expect(placesOf(fit, 1.4)).toEqual([]);
});

test("the sum of squares grows whichever way the fit is moved", () => {
  const value = fc.double({ min: -3, max: 3, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 5, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 }),
      (ys, weights) => {
        const data = ys.map((y, i) => ({ x: 10 + i, y, weight: weights[i]! }));
        const fit = fitParabola(data)!;
        const squares = (parabola: typeof fit) =>
          data.reduce((sum, { x, y, weight }) => sum + weight * (y - valueAt(parabola, x)) ** 2, 0);
        for (const part of ["constant", "slope", "curvature"] as const)
          for (const change of [-1e-3, 1e-3])
            expect(squares({ ...fit, [part]: fit[part] + change })).toBeGreaterThan(squares(fit));
      },
    ),
    cases(),
  );
});

test("a point of weight 2 is two points", () => {
  const data = [0, 1, 2, 4].map((x) => ({ x, y: Math.sin(x), weight: x === 1 ? 2 : 1 }));
  const single = data.flatMap(({ x, y, weight }) => Array(weight).fill({ x, y, weight: 1 }));
  expect(valueAt(fitParabola(data)!, 3)).toBeCloseTo(valueAt(fitParabola(single)!, 3), 12);
});

test("a hill and a line have no lowest place", () => {
  expect(lowestAt(fitParabola(points([0, 1, 2], (x) => -x * x))!)).toBeNull();
  expect(lowestAt({ centre: 0, constant: 1, slope: 2, curvature: 0 })).toBeNull();
  expect(placesOf({ centre: 0, constant: 1, slope: 2, curvature: 0 }, 5)).toEqual([2]);
});

test("fewer than three different x are not enough", () => {
  expect(fitParabola(points([1, 2, 2, 1], (x) => x))).toBeNull();
});
