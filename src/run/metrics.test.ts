import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MetricsWriter, readMetrics } from "./metrics.ts";
import type { MetricsRecord } from "./metricsFormat.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const record = (step: number): MetricsRecord => ({ step, lossNats: 1 / (step + 1), note: "é\n" });

test("records come back, and a reader beside sees each at once", () => {
  const path = join(temporaryFolder(), "metrics.jsonl");
  const writer = new MetricsWriter(path);
  for (let step = 0; step < 3; step++) {
    writer.append(record(step));
    expect(readMetrics(path)).toHaveLength(step + 1);
  }
  writer.close();
  expect(readMetrics(path)).toEqual([0, 1, 2].map(record));
});

test("a file that is not there has no records", () => {
  expect(readMetrics(join(temporaryFolder(), "metrics.jsonl"))).toEqual([]);
});

test("a last line torn at any byte is left out, and dropped by the next writer", () => {
  const dir = temporaryFolder();
  const whole = [0, 1].map((step) => `${JSON.stringify(record(step))}\n`).join("");
  const second = whole.indexOf("\n") + 1;
  for (let length = second + 1; length < Buffer.byteLength(whole) - 1; length++) {
    const path = join(dir, `${length}.jsonl`);
    writeFileSync(path, Buffer.from(whole).subarray(0, length));
    expect(readMetrics(path), `${length} bytes`).toEqual([record(0)]);
    const writer = new MetricsWriter(path);
    writer.append(record(1));
    writer.close();
    expect(readFileSync(path, "utf8"), `${length} bytes`).toBe(whole);
  }
});

test("a whole last line that only lacks its end is kept and ended", () => {
  const path = join(temporaryFolder(), "metrics.jsonl");
  writeFileSync(path, JSON.stringify(record(0)));
  expect(readMetrics(path)).toEqual([record(0)]);
  const writer = new MetricsWriter(path);
  writer.append(record(1));
  writer.close();
  expect(readMetrics(path)).toEqual([0, 1].map(record));
});

test("a damaged line before the last is an error with its number", () => {
  const path = join(temporaryFolder(), "metrics.jsonl");
  writeFileSync(path, '{"step":0}\n{"st\n{"step":2}\n');
  expect(() => readMetrics(path)).toThrow(`${path} line 2 must be a JSON object with an integer step, got "{\\"st"`);
});

test("a resumed run's file is byte for byte that of a run without a stop", () => {
  const dir = temporaryFolder();
  const straight = new MetricsWriter(join(dir, "straight.jsonl"));
  for (let step = 0; step < 6; step++) straight.append(record(step));
  straight.close();

  const stopped = new MetricsWriter(join(dir, "stopped.jsonl"));
  for (let step = 0; step < 5; step++) stopped.append(record(step));
  stopped.close();
  appendFileSync(join(dir, "stopped.jsonl"), '{"step":5,"loss');
  const resumed = new MetricsWriter(join(dir, "stopped.jsonl"));
  resumed.truncateAfter(2);
  for (let step = 3; step < 6; step++) resumed.append(record(step));
  resumed.close();

  expect(readFileSync(join(dir, "stopped.jsonl"))).toEqual(readFileSync(join(dir, "straight.jsonl")));
  expect(readdirSync(dir).sort()).toEqual(["stopped.jsonl", "straight.jsonl"]);
});

test("truncating after the last step changes nothing", () => {
  const path = join(temporaryFolder(), "metrics.jsonl");
  const writer = new MetricsWriter(path);
  writer.append(record(3));
  writer.truncateAfter(3);
  expect(readMetrics(path)).toEqual([record(3)]);
  writer.truncateAfter(2);
  expect(readFileSync(path, "utf8")).toBe("");
  writer.append(record(3));
  writer.close();
  expect(readMetrics(path)).toEqual([record(3)]);
});

test("a loss that is not finite is null in the file", () => {
  const path = join(temporaryFolder(), "metrics.jsonl");
  const writer = new MetricsWriter(path);
  writer.append({ step: 1, lossNats: Number.NaN });
  writer.close();
  expect(readMetrics(path)).toEqual([{ step: 1, lossNats: null }]);
});

test("a record without a proper step is refused", () => {
  const writer = new MetricsWriter(join(temporaryFolder(), "metrics.jsonl"));
  expect(() => writer.append({ step: 1.5 })).toThrow("step must be an integer >= 0, got 1.5");
  expect(() => writer.append({} as MetricsRecord)).toThrow("got undefined");
  expect(() => writer.truncateAfter(-1)).toThrow("got -1");
  writer.close();
  expect(readMetrics(writer.path)).toEqual([]);
});
