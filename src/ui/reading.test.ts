import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { lockRun } from "../run/lock.ts";
import { runPaths } from "../run/runFolder.ts";
import { newRun, sharedData, tinyConfig, trainToEnd } from "../train/testing/tinyRun.ts";
import type { Cursor } from "./api.ts";
import { Reading } from "./reading.ts";
import { decodeTables } from "./tableCodec.ts";
import { fileFolder } from "./testing/fileFolder.ts";

const root = fileFolder();
const data = sharedData();
const reading = new Reading({ runs: root, studies: null });
const one = async (id: string) => (await reading.list()).find((run) => run.id === id)!;

async function trained(name: string, variant: "mod" | "dense" = "mod"): Promise<string> {
  const config = tinyConfig(variant);
  const dir = newRun(root, name, config, data.get());
  await trainToEnd({ dir, config, data: data.get() });
  return dir;
}

test("a run is new, then running, then done, with its figures", async () => {
  const config = tinyConfig("mod");
  const dir = newRun(root, "life", config, data.get());
  expect(await one("life")).toMatchObject({ state: "new", step: null, steps: 8, validation: null, spark: [] });
  const lock = lockRun(dir);
  expect((await one("life")).state).toBe("running");
  await trainToEnd({ dir, config, data: data.get() });
  lock.release();
  const run = await one("life");
  expect(run).toMatchObject({ state: "done", step: 8, steps: 8, problem: null, tokens: 8 * 2 * 16 });
  expect(run.model).toMatchObject({ family: "mod", layers: ["dense", "mod"], rule: "predictor", capacityRatio: 0.25 });
  expect(run.model!.rules).toEqual(["topk", "predictor", "auxiliary", "through", "around", "random"]);
  expect(run.validation!.step).toBe(8);
  expect(run.validation!.lossNats).toBeGreaterThan(0);
  expect(run.spark).toHaveLength(8);
});

test("a dense run has no capacity, and is looked at with every block computed", async () => {
  await trained("dense", "dense");
  expect((await one("dense")).model).toMatchObject({
    family: "dense",
    capacityRatio: null,
    rule: "dense",
    rules: ["through"],
  });
});

test("a run that cannot be read is told of as damaged, and harms no other", async () => {
  const dir = path.join(root, "broken");
  mkdirSync(dir);
  writeFileSync(path.join(dir, "config.json"), '{"model": 3}');
  writeFileSync(path.join(dir, "tokenizer.json"), "{}");
  const run = await one("broken");
  expect(run).toMatchObject({ state: "damaged", model: null });
  expect(run.problem).toMatch(/configuration: .*not allowed[\s\S]*train/);
  rmSync(dir, { recursive: true });
  expect(await one("broken")).toBeUndefined();
});

test("metrics come whole, then row by row after a cursor, and again after a replacement", async () => {
  const dir = await trained("metrics");
  const { metrics } = runPaths(dir);
  const bytes = await reading.metrics("metrics");
  const { meta, tables } = decodeTables<{ cursor: Cursor }>(bytes!.buffer);
  expect(Array.from(tables.steps!.columns.step!)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(Object.keys(tables.evaluations!.columns)).toEqual(
    expect.arrayContaining(["step", "topk.lossNats", "predictor.accuracy"]),
  );
  expect(meta.cursor).toMatchObject({ steps: 8, evaluations: 2 });
  expect(await reading.rowsSince("metrics", meta.cursor)).toBeNull();
  appendFileSync(metrics, `${JSON.stringify({ kind: "step", step: 9, losses: { lm: 1.5 }, stepMs: 1 })}\n`);
  const rows = (await reading.rowsSince("metrics", meta.cursor))!;
  expect(rows).toMatchObject({ isReset: false, cursor: { steps: 9 }, steps: { count: 1 }, evaluations: { count: 0 } });
  expect(rows.steps.columns["loss.lm"]).toEqual([1.5]);
  expect(rows.steps.columns.learningRate).toEqual([null]);
  rmSync(metrics);
  writeFileSync(metrics, `${JSON.stringify({ kind: "step", step: 1, losses: { lm: 2 } })}\n`);
  expect(await reading.rowsSince("metrics", rows.cursor)).toMatchObject({
    isReset: true,
    cursor: { steps: 1 },
    steps: { count: 0 },
  });
});

test("there are no metrics of what is no run", async () => {
  expect(await reading.metrics("../etc")).toBeNull();
  expect(await reading.rowsSince("none", { file: "none", steps: 0, evaluations: 0 })).toBeNull();
});
