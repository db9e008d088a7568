import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../testing/cases.ts";
import { type AxisKind, scaleOf } from "./axis.ts";

const ticksOf = (values: readonly number[], kind: AxisKind, length = 300, gap = 48): string[] =>
  scaleOf(values, { kind, length, gap }).ticks.map(({ text }) => text);

test.each<[AxisKind, number[], string[]]>([
  ["log", [1e5, 2e6], ["100k", "200k", "500k", "1M", "2M"]],
  ["log", [1.1, 1.9], ["1.2", "1.4", "1.6", "1.8"]],
  ["log", [61.076, 71.52], ["65", "70"]],
  ["log", [1, 1e12], ["1", "1k", "1M", "1G", "1e12"]],
  ["linear", [0, 3e13], ["0", "1e13", "2e13", "3e13"]],
  ["linear", [1.41, 1.49], ["1.42", "1.44", "1.46", "1.48"]],
  ["linear", [-1, 1], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]],
  ["linear", [0, 1000], ["0", "200", "400", "600", "800", "1k"]],
])("a %s axis over %j has the ticks %j", (kind, values, texts) => {
  expect(ticksOf(values, kind)).toEqual(texts);
});

test("one value alone has room about it", () => {
  for (const kind of ["linear", "log"] as const) {
    expect(scaleOf([5], { kind, length: 100, gap: 30 }).at(5)).toBeCloseTo(50, 9);
    expect(ticksOf([5], kind).length).toBeGreaterThan(1);
  }
  expect(ticksOf([0], "linear")).toContain("0.0");
});

test("whatever the values, they and the ticks lie on the axis, in order, apart", () => {
  const value = fc.double({ min: 1e-6, max: 1e15, noNaN: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), fc.constantFrom("linear", "log"), (values, kind) => {
      const { at, ticks } = scaleOf(values, { kind, length: 300, gap: 48 });
      for (const each of values) expect(at(each)).toBeGreaterThanOrEqual(0);
      for (const each of values) expect(at(each)).toBeLessThanOrEqual(300);
      for (const [i, tick] of ticks.entries()) {
        expect(tick.at).toBeGreaterThanOrEqual(-1e-6);
        expect(tick.at).toBeLessThanOrEqual(300 + 1e-6);
        if (i > 0) expect(tick.at - ticks[i - 1]!.at).toBeGreaterThan(47.9);
      }
      expect(ticks.length).toBeGreaterThan(0);
    }),
    cases(500),
  );
});

test("what an axis cannot hold is refused", () => {
  const options = { length: 300, gap: 48 };
  expect(() => scaleOf([], { kind: "linear", ...options })).toThrow("must have finite numbers, got none");
  expect(() => scaleOf([1, Number.NaN], { kind: "linear", ...options })).toThrow("got NaN");
  expect(() => scaleOf([1, -2], { kind: "log", ...options })).toThrow("must have numbers above 0, got -2");
});
