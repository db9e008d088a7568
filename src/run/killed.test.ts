/** A process that writes checkpoints without a pause is killed at random moments: what it reported is always there. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { latestCheckpoint } from "./checkpoint.ts";
import { lockRun } from "./lock.ts";
import { MetricsWriter, readMetrics } from "./metrics.ts";
import { cleanRun } from "./runFolder.ts";
import { contentOf } from "./testing/content.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const ROUNDS = 8;
const root = resolve(import.meta.dirname, "../..");
let built = "";

beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), "mod-built-"));
  writeFileSync(join(built, "package.json"), '{"type":"module"}');
  writeFileSync(join(built, "tsconfig.json"), JSON.stringify(buildConfig()));
  symlinkSync(join(root, "node_modules"), join(built, "node_modules"));
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--project", built]);
  writeFileSync(join(built, "writer.mjs"), WRITER);
});

afterAll(() => rmSync(built, { recursive: true, force: true }));

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
  const child = spawn(process.execPath, [join(built, "writer.mjs"), run], { stdio: ["ignore", "pipe", "inherit"] });
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

function buildConfig(): object {
  return {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      rootDir: join(root, "src"),
      outDir: built,
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: [],
    files: ["run/runFolder.ts", "run/metrics.ts", "run/testing/content.ts"].map((file) => join(root, "src", file)),
  };
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
