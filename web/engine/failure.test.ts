import { expect, test } from "vitest";
import { resolveConfig } from "../../src/browser.ts";
import { MemoryRun } from "../../src/run/memoryRun.ts";
import { DivergedError } from "../../src/train/trainer.ts";
import { EngineError, failureOf } from "./failure.ts";
import { checkLoadable, checkTrainable } from "./limits.ts";

const thrown = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("it must throw, got nothing");
};

test("every kind of error has its code", () => {
  const config = {
    model: { seqLen: 0, nLayer: 1, dModel: 4, nHead: 3 },
    train: { horizon: { kind: "steps", steps: 1 } },
  };
  const model = { seqLen: 8, nLayer: 1, dModel: 16_384, nHead: 2, vocabSize: 9 };
  const cases: readonly (readonly [unknown, string])[] = [
    [thrown(() => resolveConfig(config)), "config"],
    [thrown(() => MemoryRun.open("x", new Map())), "file"],
    [
      thrown(() =>
        checkTrainable({
          ...resolveConfig({ ...config, model: { ...model, vocabSize: undefined } }).model,
          vocabSize: 9,
        }),
      ),
      "memory",
    ],
    [new DivergedError("train: losses must be finite"), "diverged"],
    [new EngineError("storage", "storage: full"), "storage"],
    [new Error("runtime: WebGPU must be there, got none"), "webgpu"],
    [new RangeError("Array buffer allocation failed"), "memory"],
    [new Error("train: run must go on with the data it began with, got trainTokens 3"), "text"],
    [new Error("something else"), "internal"],
    ["a bare text", "internal"],
  ];
  for (const [error, code] of cases)
    expect(failureOf(error), String(error)).toMatchObject({ code, message: expect.any(String) });
});

test("all problems of a configuration are told", () => {
  const model = { seqLen: 0, nLayer: 1, dModel: 4, nHead: 2 };
  const bad = { model, train: { batchSize: 0, horizon: { kind: "steps", steps: 1 } } };
  expect(failureOf(thrown(() => resolveConfig(bad))).problems).toHaveLength(2);
});

test("a model that can be trained can be loaded, and more can be loaded than trained", () => {
  const { model } = resolveConfig({
    model: { seqLen: 8, nLayer: 16, dModel: 1024, nHead: 2 },
    train: { horizon: { kind: "steps", steps: 1 } },
  });
  const config = { ...model, vocabSize: 1000 };
  expect(() => checkTrainable(config)).toThrow(
    /train: a model must have at most 134 million parameters in a browser, got 203 million/,
  );
  expect(() => checkLoadable(config)).not.toThrow();
});
