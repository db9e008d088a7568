import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { RunConfig } from "../config/runConfig.ts";
import { latestCheckpoint, listCheckpoints } from "../run/checkpoint.ts";
import type { JsonObject } from "../run/json.ts";
import { readMetrics } from "../run/metrics.ts";
import { openSavedModel } from "../run/openSavedModel.ts";
import { runPaths } from "../run/runFolder.ts";
import { temporaryFolder } from "../run/testing/temporaryFolder.ts";
import { learningRateAt, stepFlops, stepTokens } from "./schedule.ts";
import {
  newRun,
  type RunChange,
  sharedData,
  tinyConfig,
  tinyModelOf,
  trainToEnd,
  type Variant,
} from "./testing/tinyRun.ts";
import { DivergedError } from "./trainer.ts";
import type { TrainEvent } from "./trainingRun.ts";

const shared = sharedData();

/** A new run in a folder of its own. */
const startRun = (config: RunConfig) => newRun(temporaryFolder(), "run", config, shared.get());

const trainAll = (dir: string, config: RunConfig) => trainToEnd({ dir, config, data: shared.get() });

/** Trains until step `step` is done, which the abort lets finish and saves. */
async function trainUntil(dir: string, config: RunConfig, step: number): Promise<TrainEvent[]> {
  const stop = new AbortController();
  const abort = (event: TrainEvent) => {
    if (event.kind === "step" && event.step === step) stop.abort();
  };
  return trainToEnd({ dir, config, data: shared.get(), signal: stop.signal }, abort);
}

/** What runs end with that nothing interrupts, by configuration: each is trained once. */
const uninterrupted = new Map<string, ReturnType<typeof outcomeOf>>();

async function uninterruptedOutcome(config: RunConfig) {
  const key = JSON.stringify(config);
  if (!uninterrupted.has(key)) {
    const dir = startRun(config);
    await trainAll(dir, config);
    uninterrupted.set(key, outcomeOf(dir));
  }
  return uninterrupted.get(key)!;
}

/** Bytes of the last checkpoint's files, and metrics apart from timings. */
function outcomeOf(dir: string) {
  const last = listCheckpoints(dir).at(-1)!;
  const read = (name: string) => readFileSync(path.join(last.dir, name));
  return {
    step: last.step,
    weights: read("weights.safetensors"),
    optimizer: read("optimizer.safetensors"),
    checkpoint: JSON.parse(read("checkpoint.json").toString()) as unknown,
    metrics: readMetrics(runPaths(dir).metrics).map(withoutTimings),
  };
}

function withoutTimings(record: JsonObject): JsonObject {
  const { stepMs: _, tokensPerSecond: __, gflopsPerSecond: ___, ...rest } = record;
  return rest;
}

const namesOf = (events: readonly TrainEvent[]) => events.map(({ kind, step }) => `${kind} ${step}`);

describe("events and metrics", () => {
  test("events come in order: steps, then evaluation, then checkpoint", async () => {
    const config = tinyConfig("mod", { train: { horizon: { kind: "steps", steps: 5 }, checkpoint: { every: 2 } } });
    expect(namesOf(await trainAll(startRun(config), config))).toEqual([
      ...["start 0", "step 1", "step 2", "checkpoint 2", "step 3", "step 4", "evaluation 4", "checkpoint 4"],
      ...["step 5", "evaluation 5", "checkpoint 5", "done 5"],
    ]);
  });

  test("each step's record has all that docs promise", async () => {
    const config = tinyConfig("mod", { train: { accumulate: 2 } });
    const dir = startRun(config);
    await trainAll(dir, config);
    const model = tinyModelOf("mod");
    const records = readMetrics(runPaths(dir).metrics).filter(({ kind }) => kind === "step");
    expect(records.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const record of records) {
      const { step } = record;
      const quality = Object.fromEntries(
        ["accuracy", "precision", "recall", "f1", "capacity"].map((k) => [k, expect.any(Number)]),
      );
      expect(record).toEqual({
        kind: "step",
        step,
        losses: Object.fromEntries(["lm", "auxiliary", "predictor", "zLoss"].map((k) => [k, expect.any(Number)])),
        ...{ gradientNorm: expect.any(Number), predictorGradientNorm: expect.any(Number) },
        routing: [
          {
            layer: 1,
            routerMean: expect.any(Number),
            routerStd: expect.any(Number),
            auxiliary: quality,
            predictor: quality,
          },
        ],
        learningRate: learningRateAt(step, 8, config.train.learningRate),
        ...{ stepMs: expect.any(Number), tokensPerSecond: expect.any(Number), gflopsPerSecond: expect.any(Number) },
        tokens: step * stepTokens(model, config.train),
        flops: step * stepFlops(model, config.train),
      });
      const { stepMs, tokensPerSecond, gflopsPerSecond } = record as Record<string, number>;
      expect(tokensPerSecond! * (stepMs! / 1000)).toBeCloseTo(stepTokens(model, config.train), 6);
      expect(gflopsPerSecond! * stepMs! * 1e6).toBeCloseTo(stepFlops(model, config.train), 0);
    }
  });

  test.each<[Variant, string[]]>([
    ["dense", ["dense"]],
    ["mod", ["topk", "predictor", "auxiliary"]],
    ["random", ["topk", "random"]],
  ])("an evaluation of %s reports %j", async (variant, rules) => {
    const config = tinyConfig(variant);
    const dir = startRun(config);
    const events = await trainAll(dir, config);
    const records = readMetrics(runPaths(dir).metrics).filter(({ kind }) => kind === "evaluation");
    expect(records).toEqual(events.filter(({ kind }) => kind === "evaluation"));
    expect(records.map(({ step }) => step)).toEqual([4, 8]);
    for (const record of records) {
      const result = record.result as JsonObject;
      expect(result.tokens).toBeLessThanOrEqual(64);
      const reported = Object.entries(result.rules as JsonObject).filter(([, value]) => value !== null);
      expect(reported.map(([rule]) => rule)).toEqual(rules);
    }
  });

  test("a checkpoint keeps the validation loss of its own weights, by the causal rule, and no other", async () => {
    const config = tinyConfig("mod", { train: { checkpoint: { every: 3, keepLast: 3 } } });
    const dir = startRun(config);
    const last = (await trainAll(dir, config)).findLast((event) => event.kind === "evaluation");
    const saved = listCheckpoints(dir).map(({ step, validationLoss }) => [step, validationLoss]);
    expect(saved).toEqual([
      [3, null],
      [6, null],
      [8, last!.result.rules.predictor!.lossNats],
    ]);
  });

  test("the saved model is the one that was trained", async () => {
    const config = tinyConfig("random");
    const dir = startRun(config);
    await trainAll(dir, config);
    const { step, parameters, tokenizer } = openSavedModel(dir, "latest");
    const { weights } = latestCheckpoint(dir)!.checkpoint;
    expect([step, tokenizer.kind]).toEqual([8, "bytes"]);
    for (const [name, { data }] of weights) expect(parameters[`value.${name}`]!.data).toEqual(data);
  });
});

describe("resumed = uninterrupted, bit-identical weights, optimizer state and metrics", () => {
  test.each<[string, Variant, RunChange]>([
    ["dense", "dense", {}],
    ["mod", "mod", {}],
    ["random", "random", {}],
    ["mod, accumulating two batches", "mod", { train: { accumulate: 2 } }],
    ["random, accumulating two batches", "random", { train: { accumulate: 2 }, seed: 5 }],
  ])("%s, interrupted after steps 1 and 6", async (_, variant, change) => {
    const config = tinyConfig(variant, change);
    const parts = startRun(config);
    for (const step of [1, 6]) {
      const events = await trainUntil(parts, config, step);
      expect(events.at(-1)).toEqual({ kind: "interrupted", step, steps: 8 });
    }
    expect(namesOf(await trainAll(parts, config)).slice(0, 2)).toEqual(["start 6", "step 7"]);
    expect(outcomeOf(parts)).toEqual(await uninterruptedOutcome(config));
  });

  test("where an evaluation lies between two checkpoints", async () => {
    const config = tinyConfig("mod", { train: { evaluate: { every: 3, tokens: 64 }, checkpoint: { every: 4 } } });
    const parts = startRun(config);
    for (const step of [2, 3, 5]) await trainUntil(parts, config, step);
    await trainAll(parts, config);
    expect(outcomeOf(parts)).toEqual(await uninterruptedOutcome(config));
  });

  test("over several epochs of the data", async () => {
    const config = tinyConfig("dense", { model: { seqLen: 64 }, train: { batchSize: 40 } });
    const parts = startRun(config);
    for (const step of [2, 5]) await trainUntil(parts, config, step);
    const { position } = latestCheckpoint(parts)!.checkpoint.state as { position: { epoch: number } };
    expect(position.epoch).toBeGreaterThan(0);
    await trainAll(parts, config);
    expect(outcomeOf(parts)).toEqual(await uninterruptedOutcome(config));
  });

  test("a run that was aborted before it began does one step", async () => {
    const config = tinyConfig("dense");
    const events = await trainToEnd({ dir: startRun(config), config, data: shared.get(), signal: AbortSignal.abort() });
    expect(namesOf(events)).toEqual(["start 0", "step 1", "checkpoint 1", "interrupted 1"]);
  });

  test("an abort in the last step ends the run as done", async () => {
    const config = tinyConfig("dense");
    expect((await trainUntil(startRun(config), config, 8)).at(-1)).toEqual({ kind: "done", step: 8, steps: 8 });
  });

  test("a finished run has nothing left to do, and stays as it is", async () => {
    const config = tinyConfig("mod");
    const dir = startRun(config);
    await trainAll(dir, config);
    const before = outcomeOf(dir);
    expect(namesOf(await trainAll(dir, config))).toEqual(["start 8", "done 8"]);
    expect(outcomeOf(dir)).toEqual(before);
  });
});

/** Changes one byte in the middle of a file. */
function corrupt(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = bytes[middle]! ^ 0x40;
  writeFileSync(file, bytes);
}

describe("a damaged newest checkpoint", () => {
  test.each(["weights.safetensors", "optimizer.safetensors", "checkpoint.json"])(
    "%s: the one before is used, which is told, and the end is bit-identical",
    async (file) => {
      const config = tinyConfig("mod");
      const damaged = startRun(config);
      await trainUntil(damaged, config, 5);
      const newest = listCheckpoints(damaged).at(-1)!;
      expect(newest.step).toBe(5);
      corrupt(path.join(newest.dir, file));
      const [start] = await trainAll(damaged, config);
      expect(start).toMatchObject({
        kind: "start",
        step: 4,
        skipped: [{ dir: newest.dir, reason: expect.stringContaining(file) }],
      });
      expect(outcomeOf(damaged)).toEqual(await uninterruptedOutcome(config));
      expect(readdirSync(runPaths(damaged).checkpoints)).not.toContain(path.basename(newest.dir));
    },
  );

  test("is an error where there is no other: nothing is trained over it", async () => {
    const config = tinyConfig("dense");
    const dir = startRun(config);
    await trainUntil(dir, config, 1);
    corrupt(path.join(listCheckpoints(dir)[0]!.dir, "weights.safetensors"));
    await expect(trainAll(dir, config)).rejects.toThrow("must hold a checkpoint that is intact");
    expect(listCheckpoints(dir)).toHaveLength(1);
  });
});

describe("a run that diverges", () => {
  const sane = tinyConfig("mod", { train: { checkpoint: { every: 100 } } });
  const absurd = tinyConfig("mod", { train: { checkpoint: { every: 100 }, learningRate: { peak: 1e30 } } });

  test("throws DivergedError, keeps the last good checkpoint and can go on from there", async () => {
    const dir = startRun(sane);
    await trainUntil(dir, sane, 3);
    const before = outcomeOf(dir);
    await expect(trainAll(dir, absurd)).rejects.toThrow(DivergedError);
    const { metrics: _, ...checkpoint } = before;
    expect(outcomeOf(dir)).toMatchObject(checkpoint);
    await trainAll(dir, sane);
    expect(outcomeOf(dir)).toEqual(await uninterruptedOutcome(sane));
  });
});

test("a run goes on with its own data only, and stays as it is otherwise", async () => {
  const config = tinyConfig("dense");
  const dir = startRun(config);
  await trainUntil(dir, config, 3);
  const before = outcomeOf(dir);
  const other = { ...shared.get(), tokenizerHash: "0".repeat(64) };
  await expect(trainToEnd({ dir, config, data: other })).rejects.toThrow(
    "must go on with the data it began with, got tokenizerHash 000",
  );
  expect(outcomeOf(dir)).toEqual(before);
});
