import { expect, test } from "vitest";
import { studentFactor } from "./student.ts";

// Percentiles as printed in tables.
test.each([
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [7, 2.365],
  [8, 2.306],
  [30, 2.042],
  [31, 2.04],
  [1000, 1.962],
])("with %i degrees of freedom the percentile is %d", (freedom, percentile) => {
  expect(studentFactor(freedom) * 1.959964).toBeCloseTo(percentile, 3);
});

test("without a degree of freedom there is none", () => {
  expect(() => studentFactor(0)).toThrow("must be an integer above 0, got 0");
});
