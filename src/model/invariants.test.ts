import { describe, expect, test } from "vitest";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import { float32, floats } from "../runtime/executor.ts";
import { GATES, type ModelConfig } from "./config.ts";
import { applicableRules, RULES, type Rule } from "./rules.ts";
import {
  expertModels,
  livelyParameters,
  runCausal,
  runTraining,
  someTokens,
  tinyDense,
  tinyMod,
  tinyRandom,
} from "./testing/tinyModel.ts";

const T = 8;
const V = 11;
const CAUSAL: Rule[] = RULES.filter((rule) => rule !== "topk");

const rowsOf = (tokens: Int32Array) => ({ tokens, lengths: Array(tokens.length / T).fill(T), width: T });
const counts = (data: ArrayLike<number | bigint>, width: number) =>
  Array.from({ length: data.length / width }, (_, row) =>
    Array.from(data as ArrayLike<number>)
      .slice(row * width, (row + 1) * width)
      .reduce((a, b) => a + Number(b), 0),
  );

const kinds: Record<string, ModelConfig> = {
  dense: tinyDense(),
  ...Object.fromEntries(GATES.map((gate) => [`mod, gate ${gate}`, tinyMod({ gate })])),
  "mod, every block": tinyMod({}, { pattern: ["mod"] }),
  "mod, grouped heads, SwiGLU, tied head": tinyMod({}, { nHead: 4, nKvHead: 2, mlp: "swiglu", tiedHead: true }),
  "random, gate linear": tinyRandom("linear"),
  "random, gate one": tinyRandom("one"),
  ...expertModels(),
};

describe("training pass = masked pass under top-k", () => {
  for (const [name, config] of Object.entries(kinds)) {
    test(name, async () => {
      const parameters = livelyParameters(config);
      const tokens = someTokens(3, T, V);
      const trained = await runTraining(config, tokens, parameters);
      const masked = await runCausal(config, "topk", rowsOf(tokens), parameters);
      expectClose(floats(masked, "logits"), floats(trained, "logits"), 2e-4, "logits");
      for (const key of Object.keys(trained).filter((output) => output !== "logits")) {
        expect([...masked[key]!.data].map(Number)).toEqual([...trained[key]!.data]);
        expect(counts(trained[key]!.data as Float32Array, T)).toEqual([T / 2, T / 2, T / 2]);
      }
    });
  }
});

test("exactly C tokens are chosen when all router weights are equal, the lowest positions", async () => {
  const config = tinyMod({ auxiliary: null, predictor: null });
  const parameters = { ...livelyParameters(config) };
  for (const layer of [1, 3]) parameters[`value.layers.${layer}.router`] = float32([8, 1], new Float32Array(8));
  const outputs = await runTraining(config, someTokens(2, T, V), parameters);
  for (const layer of [0, 1]) {
    expect([...outputs[`routedThrough.${layer}`]!.data]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
  }
});

test("capacityRatio 1 with the gate fixed at 1 equals the dense model", async () => {
  const dense = tinyDense();
  const mod = tinyMod({ capacityRatio: 1, gate: "one" });
  const parameters = livelyParameters(mod);
  const shared = Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name.replace(".block.", "."), value]),
  );
  const tokens = someTokens(2, T, V);
  const [a, b] = [await runTraining(mod, tokens, parameters), await runTraining(dense, tokens, shared)];
  expectClose(floats(a, "logits"), floats(b, "logits"), 1e-5);
});

test("a token that every routed block passes around leaves them bit-identical: the model of the dense blocks alone", async () => {
  const config = tinyMod({}, { pattern: ["mod"], nLayer: 1 });
  const parameters = livelyParameters(config);
  const tokens = someTokens(2, T, V);
  const routed = await runTraining(config, tokens, parameters);
  const around = await runCausal(config, "around", rowsOf(tokens), parameters);
  const through = [...routed["routedThrough.0"]!.data];
  expect(through.filter((x) => x === 0)).toHaveLength(T);
  through.forEach((chosen, token) => {
    const row = (outputs: typeof routed) => [...floats(outputs, "logits").slice(token * V, (token + 1) * V)];
    if (chosen === 0) expect(row(routed)).toEqual(row(around));
    else expect(row(routed)).not.toEqual(row(around));
  });
});

describe("a batch equals its sequences one by one", () => {
  for (const [name, config] of Object.entries(kinds)) {
    test(name, async () => {
      const parameters = livelyParameters(config);
      const tokens = someTokens(3, T, V);
      const rowOf = (array: Float32Array, row: number) => array.slice(row * T * V, (row + 1) * T * V);
      // The noise of random routing is drawn for each row: only the first row of a batch stands alone with the same noise.
      const rows = config.routing.kind === "random" ? [0] : [0, 1, 2];
      for (const rule of ["topk", "auxiliary"] as const) {
        const together = floats(await runCausal(config, rule, rowsOf(tokens), parameters), "logits");
        for (const row of rows) {
          const alone = await runCausal(config, rule, rowsOf(tokens.slice(row * T, (row + 1) * T)), parameters);
          const tolerance = config.experts ? 2e-4 : 1e-5;
          expectClose(rowOf(together, row), floats(alone, "logits"), tolerance, `${rule}, row ${row}`);
        }
      }
    });
  }
});

/** Logits of positions < `position` with and without another token at `position`. */
async function beforeChange(config: ModelConfig, rule: Rule, position: number) {
  const parameters = livelyParameters(config);
  const tokens = someTokens(1, T, V);
  const changed = tokens.with(position, (tokens[position]! + 5) % V);
  const [a, b] = [
    await runCausal(config, rule, rowsOf(tokens), parameters),
    await runCausal(config, rule, rowsOf(changed), parameters),
  ];
  const before = (outputs: typeof a) => [...floats(outputs, "logits").slice(0, position * V)];
  return [before(a), before(b)] as const;
}

describe("prefix invariance: another token at t + 1 leaves the logits up to t as they were, bit by bit without experts", () => {
  for (const [name, config] of Object.entries(kinds)) {
    for (const rule of CAUSAL) {
      if (rule === "predictor" && !applicableRules(config).includes(rule)) continue;
      test(`${name}, rule ${rule}`, async () => {
        for (const position of [1, 4, 7]) {
          const [a, b] = await beforeChange(config, rule, position);
          // An expert computes its tokens as one product, whose last digits depend on how many they are.
          if (config.experts) expectClose(b, a, 1e-5);
          else expect(b).toEqual(a);
        }
      });
    }
  }

  test("top-k violates it: the choice among earlier tokens depends on later ones", async () => {
    const differs = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7].map(async (position) => {
        const [a, b] = await beforeChange(tinyMod(), "topk", position);
        return a.some((value, i) => Math.abs(value - b[i]!) > 1e-3);
      }),
    );
    expect(differs).toContain(true);
  });
});

describe("sequences of every length from 1, padded or not", () => {
  for (const [name, config] of Object.entries(kinds)) {
    test(name, async () => {
      const parameters = livelyParameters(config);
      const tokens = someTokens(1, T, V);
      for (const rule of ["topk", "auxiliary", "through", "random"] as const) {
        for (let length = 1; length <= T; length++) {
          const unpadded = { tokens: tokens.slice(0, length), lengths: [length], width: length };
          const padded = { tokens, lengths: [length], width: T };
          const [a, b] = [
            await runCausal(config, rule, unpadded, parameters),
            await runCausal(config, rule, padded, parameters),
          ];
          expectClose(floats(b, "logits").slice(0, length * V), floats(a, "logits"), 1e-4, `${rule}, length ${length}`);
          if (rule === "topk" && a["routedThrough.0"]) {
            expect(counts(a["routedThrough.0"].data as Uint8Array, length)).toEqual([
              Math.max(1, Math.round(length / 2)),
            ]);
            expect(counts(b["routedThrough.0"]!.data as Uint8Array, T)).toEqual([Math.max(1, Math.round(length / 2))]);
          }
        }
      }
    });
  }
});

describe("several documents in a row are as if alone, under causal rules", () => {
  // Random routing is left out: its noise depends on the position in the row, by definition.
  const learned = Object.entries(kinds).filter(([, { routing }]) => routing.kind !== "random");
  for (const [name, config] of learned) {
    test(name, async () => {
      const parameters = livelyParameters(config);
      const tokens = someTokens(1, T, V);
      const documents = Int32Array.of(0, 0, 0, 1, 1, 1, 1, 1);
      for (const rule of ["auxiliary", "through"] as const) {
        const packed = floats(await runCausal(config, rule, { ...rowsOf(tokens), documents }, parameters), "logits");
        const alone = async (from: number, to: number) => {
          const part = { tokens: tokens.slice(from, to), lengths: [to - from], width: to - from };
          return floats(await runCausal(config, rule, part, parameters), "logits");
        };
        // Rotary positions only count by their differences, so a document may stand anywhere in its row.
        expectClose(packed.slice(0, 3 * V), await alone(0, 3), 1e-4, `${rule}, first document`);
        expectClose(packed.slice(3 * V), await alone(3, T), 1e-4, `${rule}, second document`);
      }
    });
  }
});

test("the predictor only decides: two models whose predictors always agree are the same, whatever its logits", async () => {
  const config = tinyMod({}, { pattern: ["mod"] });
  const parameters = { ...livelyParameters(config) };
  const withBias = (bias: number) => {
    const changed = Object.keys(parameters).filter((name) => name.endsWith("predictor.outputBias"));
    return { ...parameters, ...Object.fromEntries(changed.map((name) => [name, float32([1], Float32Array.of(bias))])) };
  };
  const tokens = someTokens(1, T, V);
  const logits = async (bias: number) => [
    ...floats(await runCausal(config, "predictor", rowsOf(tokens), withBias(bias)), "logits"),
  ];
  const through = [...floats(await runCausal(config, "through", rowsOf(tokens), parameters), "logits")];
  expect(await logits(1e9)).toEqual(through);
  expect(await logits(3e9)).toEqual(through);
  expect(await logits(-1e9)).toEqual([
    ...floats(await runCausal(config, "around", rowsOf(tokens), parameters), "logits"),
  ]);
});
