import { expect, test } from "vitest";
import { shortNumber } from "./shortNumber.ts";

test.each([
  [0, "0"],
  [0.25, "0.25"],
  [12.345, "12.3"],
  [999.6, "1k"],
  [150_000, "150k"],
  [1_500_000, "1.5M"],
  [999_999, "1M"],
  [2e9, "2G"],
  [3e12, "3e12"],
  [1.234e13, "1.23e13"],
  [-4200, "-4.2k"],
  [0.00001234, "1.23e-5"],
])("%d is written %s", (value, text) => {
  expect(shortNumber(value)).toBe(text);
});
