/** A process that writes checkpoints without a pause is killed at random moments: what it reported is always there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { latestCheckpoint } from "./checkpoint.ts";
import { lockRun } from "./lock.ts";
import { MetricsWriter, readMetrics } from "./metrics.ts";
import { cleanRun } from "./runFolder.ts";
import { builtSources } from "./testing/builtSources.ts";
import { contentOf } from "./testing/content.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const ROUNDS = 8;
const built = builtSources(["run/runFolder.ts", "run/metrics.ts", "run/testing/content.ts"]);

beforeAll(() => writeFileSync(built.path("writer.mjs"), WRITER));

test(`kill -9 in the middle of writing, ${ROUNDS} times over`, async () => {
  const run = temporaryFolder();
  let reported = 0;
  for (let round = 0; round < ROUNDS; round++) {
    reported = Math.max(reported, await writeUntilKilled(run, 20 + Math.random() * 150));
    const lock = lockRun(run);
    expect(lock.message).toContain("which no longer runs");
    const { checkpoint, skipped } = latestCheckpoint(run)!;
    expect(skipped).toEqual([]);
    expect(checkpoint.step).toBeGreaterThanOrEqual(reported);
    const { validationLoss: _, ...expected } = contentOf(checkpoint.step);
    expect(checkpoint).toMatchObject(expected);
    expect(readMetrics(join(run, "metrics.jsonl")).map(({ step }) => step)).toEqual(upTo(checkpoint.step, run));
    cleanRun(run);
    const metrics = new MetricsWriter(join(run, "metrics.jsonl"));
    metrics.truncateAfter(checkpoint.step);
    metrics.close();
    lock.release();
  }
  expect(reported).toBeGreaterThan(ROUNDS);
});

/** Runs the writer, kills it `afterMs` after its first report, and gives the last step it reported as saved. */
async function writeUntilKilled(run: string, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [built.path("writer.mjs"), run], { stdio: ["ignore", "pipe", "inherit"] });
  let saved = 0;
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => {
    saved = Number(line);
  });
  await once(lines, "line");
  await sleep(afterMs);
  child.kill("SIGKILL");
  await Promise.all([once(child, "exit"), once(lines, "close")]);
  return saved;
}

/** Steps 1 to `step`; the writer appends a step's record before its checkpoint, so one more may be there. */
function upTo(step: number, run: string): number[] {
  const records = readMetrics(join(run, "metrics.jsonl")).length;
  expect([step, step + 1]).toContain(records);
  return Array.from({ length: records }, (_, i) => i + 1);
}

const WRITER = `
import { latestCheckpoint, writeCheckpoint } from "./run/checkpoint.js";
import { lockRun } from "./run/lock.js";
import { MetricsWriter } from "./run/metrics.js";
import { contentOf } from "./run/testing/content.js";
import { writeSync } from "node:fs";
const run = process.argv[2];
lockRun(run);
const metrics = new MetricsWriter(run + "/metrics.jsonl");
for (let step = (latestCheckpoint(run)?.checkpoint.step ?? 0) + 1; ; step++) {
  metrics.append({ step });
  writeCheckpoint(run, contentOf(step), { keepLast: 2, keepBest: true });
  writeSync(1, step + "\\n");
}
`;
