/** Every operation that changes the disk is made to fail in turn: nothing saved before may suffer. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { WriteError } from "../files/atomic.ts";
import { latestCheckpoint, listCheckpoints, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { MetricsWriter, readMetrics } from "./metrics.ts";
import { createRun } from "./runFolder.ts";
import { contentOf } from "./testing/content.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

/** Counts changing operations; from the one numbered `failFrom` on, the device is full. */
const disk = vi.hoisted(() => ({ operations: 0, failFrom: Number.POSITIVE_INFINITY, isFull: (): boolean => false }));

vi.mock("node:fs", async (importOriginal) => {
  const fs = await importOriginal<typeof import("node:fs")>();
  const full = (syscall: string): Error =>
    Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), { code: "ENOSPC", syscall });
  disk.isFull = () => disk.operations++ >= disk.failFrom;
  const failing =
    <A extends unknown[], R>(syscall: string, operation: (...args: A) => R) =>
    (...args: A): R => {
      if (disk.isFull()) throw full(syscall);
      return operation(...args);
    };
  return {
    ...fs,
    mkdirSync: failing("mkdir", fs.mkdirSync as (...args: unknown[]) => unknown),
    renameSync: failing("rename", fs.renameSync),
    // Counted, but not done: hundreds of real ones take long, and no power will fail here.
    fsyncSync: failing("fsync", () => {}),
    openSync: (path: string, flags: string) => {
      if (flags !== "r" && disk.isFull()) throw full("open");
      return fs.openSync(path, flags);
    },
    // A device that fills up takes the first part of what it is given.
    writeSync: (file: number, bytes: Uint8Array, offset = 0, length = bytes.byteLength - offset) => {
      if (!disk.isFull()) return fs.writeSync(file, bytes, offset, Math.ceil(length / 2));
      fs.writeSync(file, bytes, offset, Math.floor(length / 2));
      throw full("write");
    },
  };
});

beforeEach(() => {
  disk.failFrom = Number.POSITIVE_INFINITY;
});

/** More than anything here needs: without a limit, a fault that keeps the loops going would hang the tests. */
const MOST_OPERATIONS = 100;
const RETENTION = { keepLast: 2, keepBest: true };

test("a checkpoint on a device that fills up at any moment loses nothing, and says what to do", () => {
  let failures = 0;
  for (let operation = 0; operation < MOST_OPERATIONS; operation++) {
    const run = temporaryFolder();
    for (const step of [1, 2]) writeCheckpoint(run, contentOf(step, step), RETENTION);
    const before = disk.operations;
    disk.failFrom = before + operation;
    const error = attempt(() => writeCheckpoint(run, contentOf(3, 3), RETENTION));
    const wasHit = disk.operations > disk.failFrom;
    disk.failFrom = Number.POSITIVE_INFINITY;
    for (const { dir } of listCheckpoints(run)) expect(readCheckpoint(dir).weights.size).toBe(2);
    expect(steps(run), `operation ${operation}`).toEqual(expect.arrayContaining([1, 2]));
    if (error === null) {
      expect(latestCheckpoint(run)!.checkpoint.step).toBe(3);
      if (!wasHit) break;
      continue;
    }
    failures++;
    expect(error).toBeInstanceOf(WriteError);
    expect(error.message).toContain(join(run, "checkpoints"));
    expect(error.message).toContain("no space left on the device (ENOSPC)");
    expect(error.message).toContain("free some space or use another device, then resume");
    expect(readdirSync(join(run, "checkpoints")).filter((name) => name.includes(".partial-"))).toEqual([]);
    writeCheckpoint(run, contentOf(3, 3), RETENTION);
    expect(latestCheckpoint(run)).toMatchObject({ checkpoint: { step: 3 }, skipped: [] });
  }
  expect(failures).toBeGreaterThan(15);
  expect(failures).toBeLessThan(MOST_OPERATIONS);
});

test("replacing the checkpoint of the same step on a full device keeps the old one", () => {
  for (let operation = 0; operation < MOST_OPERATIONS; operation++) {
    const run = temporaryFolder();
    const { dir } = writeCheckpoint(run, contentOf(1), RETENTION);
    disk.failFrom = disk.operations + operation;
    const error = attempt(() => writeCheckpoint(run, { ...contentOf(1), state: { again: true } }, RETENTION));
    const wasHit = disk.operations > disk.failFrom;
    disk.failFrom = Number.POSITIVE_INFINITY;
    // Where the device refuses even to move the old one back, the next writer does.
    writeCheckpoint(run, contentOf(2), RETENTION);
    expect(readCheckpoint(dir).weights, `operation ${operation}`).toEqual(contentOf(1).weights);
    if (error === null && !wasHit) break;
  }
});

test("a metrics file on a full device keeps its whole lines and goes on when there is space again", () => {
  const path = join(temporaryFolder(), "metrics.jsonl");
  const writer = new MetricsWriter(path);
  writer.append({ step: 1 });
  disk.failFrom = disk.operations;
  expect(() => writer.append({ step: 2 })).toThrow(`cannot write ${path}, got no space left on the device (ENOSPC)`);
  expect(() => writer.truncateAfter(0)).toThrow("ENOSPC");
  disk.failFrom = Number.POSITIVE_INFINITY;
  expect(readFileSync(path, "utf8")).toBe('{"step":1}\n');
  writer.append({ step: 2 });
  writer.close();
  expect(readMetrics(path)).toEqual([{ step: 1 }, { step: 2 }]);
});

test("a run that could not be made can be made when there is space again", () => {
  const dir = join(temporaryFolder(), "run");
  const given = { config: { seed: 1 }, tokenizerJson: "{}" };
  for (let operation = 0; operation < MOST_OPERATIONS; operation++) {
    disk.failFrom = disk.operations + operation;
    const error = attempt(() => createRun(dir, given));
    disk.failFrom = Number.POSITIVE_INFINITY;
    if (error === null) break;
    expect(error.message, `operation ${operation}`).toContain("ENOSPC");
  }
  expect(readdirSync(dir).sort()).toEqual(["config.json", "tokenizer.json"]);
});

function steps(run: string): number[] {
  return listCheckpoints(run).map(({ step }) => step);
}

function attempt(action: () => unknown): Error | null {
  try {
    action();
    return null;
  } catch (error) {
    return error as Error;
  }
}
