import { expect, test } from "vitest";
import { compact, percent, table } from "./format.ts";

test.each([
  [0, "0"],
  [0.12345, "0.123"],
  [999, "999"],
  [1000, "1.00k"],
  [271_298, "271k"],
  [-4_450_000, "-4.45M"],
  [7.27e9, "7.27G"],
  [2e13, "2.00e+13"],
])("compact(%d) is %s", (value, text) => {
  expect(compact(value)).toBe(text);
});

test("percent has one decimal", () => {
  expect(percent(0.1254)).toBe("12.5 %");
});

test("a table's columns are as wide as they must be, numbers to the right", () => {
  const rows = [
    ["topk", "1.5", "100.0 %"],
    ["predictor", "12.25", "-"],
  ];
  expect(table(["rule", "nats", "accuracy"], rows)).toBe(
    ["rule        nats  accuracy", "topk         1.5   100.0 %", "predictor  12.25         -"].join("\n"),
  );
});
