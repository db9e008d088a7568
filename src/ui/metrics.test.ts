import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { evaluationRow, stepRow } from "./metricsColumns.ts";
import { MetricsFile } from "./metricsFile.ts";
import { glanceAt } from "./metricsGlance.ts";
import { jsonColumns, Table } from "./table.ts";
import { decodeTables, encodeTables } from "./tableCodec.ts";
import { fileFolder } from "./testing/fileFolder.ts";

const dir = fileFolder();
const stepLine = (step: number, lm: number | null = 5 - step / 100) =>
  `${JSON.stringify({
    ...{ kind: "step", step, losses: { lm }, tokens: 10 * step, flops: 1e9 * step, stepMs: 500, learningRate: 1e-3 },
    routing: [1, 3].map((layer) => ({
      layer,
      routerMean: layer,
      routerStd: 1,
      predictor: { accuracy: 0.9, capacity: 0.1 * layer },
    })),
  })}\n`;
const evaluationLine = (step: number) =>
  `${JSON.stringify({
    ...{ kind: "evaluation", step },
    result: { rules: { topk: { lossNats: 4, bitsPerByte: 2, capacityByLayer: [1, 0.125] }, dense: null } },
  })}\n`;
const columnOf = (table: Table, name: string) => Array.from(table.view().columns[name] ?? []);

test("a step's row: plain numbers, losses, and means over routed layers; what is null stays out", () => {
  const row = stepRow(JSON.parse(stepLine(4, null)));
  expect(row).toMatchObject({
    step: 4,
    tokens: 40,
    "router.mean": 2,
    "predictor.accuracy": 0.9,
    "predictor.capacity": 0.2,
  });
  expect(Object.keys(row)).not.toContain("loss.lm");
  expect(Object.keys(row).filter((name) => name.startsWith("auxiliary"))).toEqual([]);
});

test("an evaluation's row has each rule that was measured", () => {
  expect(evaluationRow(JSON.parse(evaluationLine(9)))).toEqual({
    ...{ step: 9, "topk.lossNats": 4, "topk.bitsPerByte": 2 },
    ...{ "topk.capacity.0": 1, "topk.capacity.1": 0.125 },
  });
});

test("a table keeps numbers by column, with gaps where a row has none", () => {
  const table = new Table();
  for (let i = 0; i < 1000; i++) table.add(i < 600 ? { step: i } : { step: i, late: i / 2 });
  const { count, columns } = table.view(599);
  expect(count).toBe(401);
  expect(columns.step![0]).toBe(599);
  expect(columns.late![0]).toBeNaN();
  expect(columns.late![400]).toBe(499.5);
  expect(jsonColumns(table.view(599)).columns.late!.slice(0, 2)).toEqual([null, 300]);
});

test("tables come back from their bytes, 64-bit columns exactly", () => {
  const table = new Table();
  for (let i = 0; i < 7; i++) table.add({ flops: 1e15 + i, "loss.lm": 0.1 * i });
  const bytes = encodeTables({ cursor: "ü" }, { steps: table.view(), none: new Table().view() });
  const { meta, tables } = decodeTables<{ cursor: string }>(bytes.buffer);
  expect(meta).toEqual({ cursor: "ü" });
  expect(Array.from(tables.steps!.columns.flops!)).toEqual(Array.from({ length: 7 }, (_, i) => 1e15 + i));
  expect(tables.steps!.columns["loss.lm"]![3]).toBeCloseTo(0.3, 6);
  expect(tables.none).toEqual({ count: 0, columns: {} });
});

test("a metrics file is read as it grows; a line under way waits until it is whole", () => {
  const file = path.join(dir, "growing.jsonl");
  const metrics = new MetricsFile(file);
  metrics.refresh();
  expect(metrics.cursor).toEqual({ file: "none", steps: 0, evaluations: 0 });
  writeFileSync(file, stepLine(1) + stepLine(2).slice(0, 20));
  metrics.refresh();
  expect(columnOf(metrics.steps, "step")).toEqual([1]);
  appendFileSync(file, `${stepLine(2).slice(20)}not a record\n${evaluationLine(2)}${stepLine(3)}`);
  metrics.refresh();
  expect(columnOf(metrics.steps, "step")).toEqual([1, 2, 3]);
  expect(columnOf(metrics.steps, "seconds")).toEqual([0.5, 1, 1.5]);
  // An evaluation stands where training stood.
  expect(columnOf(metrics.evaluations, "tokens")).toEqual([20]);
});

test("a metrics file that took another's place is read from its beginning", () => {
  const file = path.join(dir, "replaced.jsonl");
  writeFileSync(file, stepLine(1) + stepLine(2) + stepLine(3));
  const metrics = new MetricsFile(file);
  metrics.refresh();
  const before = metrics.cursor;
  writeFileSync(`${file}.new`, stepLine(1) + stepLine(2) + stepLine(3) + stepLine(4));
  renameSync(`${file}.new`, file);
  metrics.refresh();
  expect(metrics.cursor.file).not.toBe(before.file);
  expect(columnOf(metrics.steps, "step")).toEqual([1, 2, 3, 4]);
  writeFileSync(file, stepLine(1));
  metrics.refresh();
  expect(columnOf(metrics.steps, "step")).toEqual([1]);
});

test("a glance at a long file finds its ends and even samples", () => {
  const file = path.join(dir, "long.jsonl");
  const lines = Array.from({ length: 8000 }, (_, i) => stepLine(i + 1) + (i === 3999 ? evaluationLine(4000) : ""));
  writeFileSync(file, `${lines.join("")}{"kind":"step","st`);
  const { lastStep, lastEvaluation, sampled } = glanceAt(file);
  expect(lastStep!.step).toBe(8000);
  expect(lastEvaluation!.step).toBe(4000);
  const steps = sampled.map(({ step }) => step);
  expect(steps.length).toBeGreaterThan(30);
  expect(steps).toEqual([...steps].sort((a, b) => a - b));
  expect(steps[0]).toBe(1);
  expect(steps.at(-1)).toBeGreaterThan(7900);
});

test("a glance at a short file, and at none", () => {
  const file = path.join(dir, "short.jsonl");
  writeFileSync(file, stepLine(1) + evaluationLine(1) + stepLine(2));
  expect(glanceAt(file)).toMatchObject({ lastStep: { step: 2 }, lastEvaluation: { step: 1 } });
  expect(glanceAt(file).sampled).toHaveLength(2);
  expect(glanceAt(path.join(dir, "nothing"))).toEqual({ lastStep: null, lastEvaluation: null, sampled: [] });
});
