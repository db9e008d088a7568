import { expect, test } from "vitest";
import { modelSchema } from "../model/config.ts";
import { countParameters } from "../model/parameters.ts";
import { activeParameters } from "./activeParameters.ts";

const [D, M, V, E] = [8, 16, 11, 4];
const model = (change: object) =>
  modelSchema.parse({ vocabSize: V, seqLen: 64, nLayer: 1, dModel: D, nHead: 2, dMlp: M, ...change });
const UP_AND_DOWN = 2 * D * M;
/** The rows of the embedding that a token does not use. */
const OTHER_ROWS = (V - 1) * D;

test("of a dense model all but the embedding's other rows", () => {
  expect(activeParameters(model({}))).toBe(countParameters(model({})) - OTHER_ROWS);
});

test.each([
  ["one of four experts", { choice: "token", count: E }, 1],
  ["two of four", { choice: "token", count: E, perToken: 2 }, 2],
  ["one of four and as many no-ops", { choice: "token", count: E, noOps: E }, 0.5],
  ["expert choice, one a token", { choice: "expert", count: E }, 1],
  ["expert choice, more than there are", { choice: "expert", count: E, capacityFactor: 2 * E }, E],
])("%s", (_, experts, used) => {
  const config = model({ pattern: ["moe"], experts });
  expect(activeParameters(config)).toBe(countParameters(config) - OTHER_ROWS - (E - used) * UP_AND_DOWN);
});

test("in a routed block the slots are those among its tokens: one at least", () => {
  const routing = { kind: "learned", capacityRatio: 0.125, auxiliary: null, predictor: null };
  const experts = { choice: "expert", count: 16, auxiliary: null, predictor: null };
  const of = (count: number) => activeParameters(model({ pattern: ["mode"], routing, experts: { ...experts, count } }));
  const router = (count: number) => count * D;
  // 8 tokens, of which each expert takes one: 1/8 of 16 experts, 1/8 of 8.
  expect(of(16) - router(16) / 8 - (of(8) - router(8) / 8)).toBe(UP_AND_DOWN / 8);
});
