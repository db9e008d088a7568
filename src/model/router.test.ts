import { expect, test } from "vitest";
import { input } from "../graph/index.ts";
import { evaluate, expectClose, host } from "../graph/testing/gradientCheck.ts";
import { floats } from "../runtime/executor.ts";
import { gated, gateOf } from "./router.ts";

const R = [-2, -0.5, 0, 3];

test("gates are functions of one token's r alone: r, 1/(1 + e^-r), tanh r, and none for 1", async () => {
  const r = input("float32", [1, R.length]);
  const outputs = Object.fromEntries((["linear", "sigmoid", "tanh"] as const).map((gate) => [gate, gateOf(gate, r)!]));
  const values = await evaluate({ name: "gates", inputs: { r }, outputs }, { r: host("float32", [1, R.length], R) });
  expectClose(floats(values, "linear"), R, 0);
  expectClose(
    floats(values, "sigmoid"),
    R.map((x) => 1 / (1 + Math.exp(-x))),
    1e-6,
  );
  expectClose(floats(values, "tanh"), R.map(Math.tanh), 1e-6);
  expect(gateOf("one", r)).toBeUndefined();
});

test("a negative gate is kept, and multiplies the whole delta of its token", async () => {
  const [gate, delta] = [input("float32", [1, 2]), input("float32", [1, 2, 2])];
  const feeds = { gate: host("float32", [1, 2], [-2, 0.5]), delta: host("float32", [1, 2, 2], [1, 2, 4, 8]) };
  const definition = { name: "gated", inputs: { gate, delta }, outputs: { update: gated(gate, delta) } };
  expectClose(floats(await evaluate(definition, feeds), "update"), [-2, -4, 2, 4], 0);
});
