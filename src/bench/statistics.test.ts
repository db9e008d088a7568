import { expect, test } from "vitest";
import { median, spread } from "./statistics.ts";

test("the median is the middle value, or the mean of the two in the middle", () => {
  expect(median([3, 10, 1])).toBe(3);
  expect(median([4, 1, 10, 2])).toBe(3);
  expect(median([7])).toBe(7);
  expect(() => median([])).toThrow("median: there must be a value, got none");
});

test("a spread is median and minimum, and leaves its input as it is", () => {
  const times = [30, 20, 10];
  expect(spread(times)).toEqual({ median: 20, min: 10 });
  expect(times).toEqual([30, 20, 10]);
});
