import { describe, expect, test } from "vitest";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import { float32, floats, type HostTensors } from "../runtime/executor.ts";
import { modelSchema } from "./config.ts";
import { expertsSchema, slotsOf } from "./expertsConfig.ts";
import {
  livelyParameters,
  runCausal,
  runTraining,
  someTokens,
  tinyDense,
  tinyMode,
  tinyMoe,
} from "./testing/tinyModel.ts";

const T = 8;
const V = 11;
const EXPERTS = 4;

const rowsOf = (tokens: Int32Array) => ({ tokens, lengths: Array(tokens.length / T).fill(T), width: T });

/** Parameters whose name ends so, changed. */
const changed = (
  parameters: HostTensors,
  ending: string,
  change: (values: Float32Array) => Float32Array,
): HostTensors =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, tensor]) => [
      name,
      name.endsWith(ending) ? float32(tensor.shape, change(tensor.data as Float32Array)) : tensor,
    ]),
  );

/** For each expert the tokens of each row that it computed. */
const tokensOf = (outputs: HostTensors, name: string, routes = EXPERTS): number[][][] => {
  const mask = outputs[name]!.data as Uint8Array;
  return Array.from({ length: mask.length / (T * routes) }, (_, row) =>
    Array.from({ length: routes }, (_, expert) =>
      Array.from({ length: T }, (_, t) => t).filter((t) => mask[(row * T + t) * routes + expert] === 1),
    ),
  );
};

describe("slots of an expert", () => {
  const token = (fields: object) => expertsSchema.parse({ choice: "token", ...fields });
  test.each([
    ["an even share", token({ count: 4, capacityFactor: 1 }), 256, 64],
    ["rounded up", token({ count: 3, capacityFactor: 1 }), 256, 86],
    ["two experts a token", token({ count: 8, perToken: 2, capacityFactor: 1 }), 256, 64],
    ["among no-op experts too", token({ count: 4, noOps: 4, capacityFactor: 1 }), 256, 32],
    ["no rounding error of the factor", token({ count: 8, capacityFactor: 1.25 }), 256, 40],
    ["never more than there are tokens", token({ count: 2, capacityFactor: 4 }), 8, 8],
    ["never none", token({ count: 256, capacityFactor: 0.01 }), 8, 1],
    ["expert choice", expertsSchema.parse({ choice: "expert", count: 8, capacityFactor: 2 }), 256, 64],
  ])("%s", (_, experts, tokens, slots) => {
    expect(slotsOf(experts, tokens)).toBe(slots);
  });
});

test("one expert and no no-op is the dense model", async () => {
  const moe = tinyMoe({ count: 1 }, { pattern: ["moe"], mlp: "swiglu" });
  const parameters = livelyParameters(moe);
  const dense = Object.fromEntries(
    Object.entries(parameters).flatMap(([name, { shape, data }]) => {
      if (name.endsWith("router")) return [];
      const isExpert = name.includes(".experts.");
      return [
        [
          name.replace(".experts.", ".feedForward."),
          isExpert ? float32(shape.slice(1), data as Float32Array) : { shape, data, dtype: "float32" as const },
        ],
      ];
    }),
  );
  const tokens = someTokens(2, T, V);
  const expected = floats(await runTraining(tinyDense({ mlp: "swiglu" }), tokens, dense), "logits");
  expectClose(floats(await runTraining(moe, tokens, parameters), "logits"), expected, 1e-5);
  expectClose(floats(await runCausal(moe, "through", rowsOf(tokens), parameters), "logits"), expected, 1e-5);
});

test("where every token goes to a no-op expert the experts' layers keep the residual stream, bit by bit", async () => {
  // Real experts have the logit 0, and one of two opposite no-op experts is always above that.
  const config = tinyMoe({ count: 2, noOps: 2 });
  const parameters = changed(livelyParameters(config), ".experts.router", (router) =>
    router.map((value, i) => [0, 0, value, -router[i - 1]!][i % 4]!),
  );
  const without = changed(parameters, ".experts.down", (down) => new Float32Array(down.length));
  const tokens = someTokens(2, T, V);
  for (const pass of [
    (values: HostTensors) => runTraining(config, tokens, values),
    (values: HostTensors) => runCausal(config, "through", rowsOf(tokens), values),
  ]) {
    const [a, b] = [await pass(parameters), await pass(without)];
    expect([...floats(a, "logits")]).toEqual([...floats(b, "logits")]);
  }
  const { "computed.0": computed } = await runCausal(config, "through", rowsOf(tokens), parameters);
  expect([...computed!.data].map(Number)).toEqual(Array(2 * T * 2).fill(0));
});

describe("token choice", () => {
  test("under ties all choose the expert of lowest number, which computes the first S tokens and drops the later ones", async () => {
    const config = tinyMoe({ capacityFactor: 1.5 });
    const parameters = changed(
      livelyParameters(config),
      ".experts.router",
      (router) => new Float32Array(router.length),
    );
    const tokens = someTokens(2, T, V);
    const outputs = await runCausal(config, "topk", rowsOf(tokens), parameters);
    expect(tokensOf(outputs, "chosen.0")).toEqual(Array(2).fill([[0, 1, 2, 3, 4, 5, 6, 7], [], [], []]));
    expect(tokensOf(outputs, "computed.0")).toEqual(Array(2).fill([[0, 1, 2], [], [], []]));
    expectClose(floats(await runTraining(config, tokens, parameters), "logits"), floats(outputs, "logits"), 1e-5);
  });

  test("a full expert drops its latest tokens, and no causal rule drops any", async () => {
    const config = tinyMoe({ capacityFactor: 0.5, perToken: 2 });
    const parameters = livelyParameters(config);
    const [slots, batch] = [slotsOf(config.experts!, T), rowsOf(someTokens(3, T, V))];
    const kept = await runCausal(config, "topk", batch, parameters);
    const [chosen, computed] = [tokensOf(kept, "chosen.0"), tokensOf(kept, "computed.0")];
    expect(computed).toEqual(chosen.map((row) => row.map((tokens) => tokens.slice(0, slots))));
    expect(chosen.flat().some((tokens) => tokens.length > slots)).toBe(true);
    const free = await runCausal(config, "through", batch, parameters);
    expect(tokensOf(free, "computed.0")).toEqual(tokensOf(free, "chosen.0"));
    expect(tokensOf(free, "chosen.0").flat(2)).toHaveLength(3 * T * 2);
  });

  test("top-k, slots included, is causal: a dropped token is a later one", async () => {
    const config = tinyMoe({ capacityFactor: 0.5 });
    const parameters = livelyParameters(config);
    const tokens = someTokens(1, T, V);
    const logitsUntil = async (ids: Int32Array, t: number) =>
      floats(await runCausal(config, "topk", rowsOf(ids), parameters), "logits").slice(0, t * V);
    for (const t of [1, 4, 7]) {
      expectClose(await logitsUntil(tokens.with(t, (tokens[t]! + 5) % V), t), await logitsUntil(tokens, t), 1e-5);
    }
  });
});

describe("expert choice", () => {
  test("each expert computes exactly S tokens of each sequence", async () => {
    const config = tinyMoe({ choice: "expert", capacityFactor: 1.5 });
    const outputs = await runCausal(config, "topk", rowsOf(someTokens(3, T, V)), livelyParameters(config));
    for (const row of tokensOf(outputs, "computed.1")) expect(row.map((tokens) => tokens.length)).toEqual([3, 3, 3, 3]);
  });

  test.each([
    ["moe", tinyMoe({ choice: "expert" })],
    ["staged mode", tinyMode({ choice: "expert" }, { pattern: ["mode"] })],
  ])("%s: top-k sees the future, so it has causal rules", async (_, config) => {
    const parameters = livelyParameters(config);
    const tokens = someTokens(1, T, V);
    const logitsUntil = async (ids: Int32Array, t: number) =>
      floats(await runCausal(config, "topk", rowsOf(ids), parameters), "logits").slice(0, t * V);
    const differences = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7].map(async (t) => {
        const [a, b] = [await logitsUntil(tokens, t), await logitsUntil(tokens.with(t, (tokens[t]! + 5) % V), t)];
        return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
      }),
    );
    expect(Math.max(...differences)).toBeGreaterThan(1e-2);
  });
});

test("the experts of a routed block compute only tokens that go through", async () => {
  const config = tinyMode();
  const outputs = await runCausal(config, "predictor", rowsOf(someTokens(2, T, V)), livelyParameters(config));
  const through = outputs["routedThrough.0"]!.data as Uint8Array;
  const computed = outputs["computed.0"]!.data as Uint8Array;
  const counts = [...through].map((_, token) =>
    computed.subarray(token * EXPERTS, (token + 1) * EXPERTS).reduce((a, b) => a + b, 0),
  );
  expect(counts).toEqual([...through]);
  expect(through).toContain(1);
});

describe("configurations that make no sense are errors, with the way out", () => {
  const base = { vocabSize: 11, seqLen: 8, nLayer: 2, dModel: 8, nHead: 2 };
  const problems = (fields: object) =>
    modelSchema
      .safeParse({ ...base, ...fields })
      .error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  const experts = { choice: "token", count: 2 };
  test.each([
    [{ pattern: ["moe"] }, ['experts: a layer "moe" or "mode" needs experts, got none (pattern: moe)']],
    [{ experts }, ['pattern: a layer "moe" or "mode" is needed for experts (pattern: dense)']],
    [{ pattern: ["mode"], experts }, ['routing: a pattern with "mod" or "mode" needs routing, got none']],
    [
      { pattern: ["moe"], experts: { choice: "token", count: 1, perToken: 2 } },
      ["experts: perToken must be at most count + noOps = 1, got 2"],
    ],
  ])("%j", (fields, expected) => {
    expect(problems(fields)).toEqual(expected);
  });
});
