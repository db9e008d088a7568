import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import {
  bestCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  removeCheckpointsAfter,
  writeCheckpoint,
} from "./checkpoint.ts";
import type { Checkpoint } from "./checkpointContent.ts";
import { CHECKPOINT_FILE, OPTIMIZER_FILE, WEIGHTS_FILE } from "./checkpointFormat.ts";
import { contentOf } from "./testing/content.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const KEEP_ALL = { keepLast: Number.POSITIVE_INFINITY, keepBest: true };
const FILES = [WEIGHTS_FILE, OPTIMIZER_FILE, CHECKPOINT_FILE] as const;

test("a checkpoint comes back as it was written", () => {
  const run = temporaryFolder();
  const content = { ...contentOf(100, 3.25), state: { z: -0, tiny: 5e-324, list: [null, "é"] } };
  const { dir } = writeCheckpoint(run, content, KEEP_ALL);
  expect(basename(dir)).toBe("step-00000100");
  expect(readdirSync(dir).sort()).toEqual([...FILES].sort());
  expect(readCheckpoint(dir)).toEqual({ ...content, dir });
});

test("without the optimizer, its file need not be intact", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(1), KEEP_ALL);
  flipBit(join(dir, OPTIMIZER_FILE), 100);
  expect(readCheckpoint(dir, { withOptimizer: false }).optimizer.size).toBe(0);
  expect(readCheckpoint(dir, { withOptimizer: false }).weights).toEqual(contentOf(1).weights);
  expect(() => readCheckpoint(dir)).toThrow(`${OPTIMIZER_FILE} must have sha256`);
});

test("a single flipped bit in any file is found", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(1, 2), KEEP_ALL);
  for (const name of FILES) {
    const path = join(dir, name);
    const bits = readFileSync(path).length * 8;
    for (let bit = 0; bit < bits; bit += 23) {
      flipBit(path, bit);
      // The manifest is text: white space after its end is all that may differ in it without a difference in meaning.
      const read = attempt(() => readCheckpoint(dir));
      if (name !== CHECKPOINT_FILE || bit < bits - 8) expect(read, `${name} bit ${bit}`).toBeInstanceOf(Error);
      flipBit(path, bit);
    }
  }
  expect(readCheckpoint(dir).step).toBe(1);
});

test.each(FILES)("a truncated or missing %s is found", (name) => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(1), KEEP_ALL);
  truncateSync(join(dir, name), readFileSync(join(dir, name)).length - 2);
  expect(() => readCheckpoint(dir)).toThrow(`readCheckpoint: ${dir}`);
  rmSync(join(dir, name));
  expect(() => readCheckpoint(dir)).toThrow(`must hold ${name}`);
});

test("a checkpoint in another step's folder is refused, and one in a folder of another name is not", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(1), KEEP_ALL);
  cpSync(dir, join(run, "checkpoints/step-00000002"), { recursive: true });
  cpSync(dir, join(run, "favourite"), { recursive: true });
  expect(() => readCheckpoint(join(run, "checkpoints/step-00000002"))).toThrow("must be that of step 1");
  expect(readCheckpoint(join(run, "favourite")).step).toBe(1);
});

test("a manifest of another version is refused by name, and its checkpoint is not pruned", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(1), KEEP_ALL);
  const path = join(dir, CHECKPOINT_FILE);
  writeFileSync(path, readFileSync(path, "utf8").replace('"version":1', '"version":2'));
  expect(() => readCheckpoint(dir)).toThrow("version 1, got");
  writeCheckpoint(run, contentOf(2), { keepLast: 1, keepBest: false });
  expect(steps(run)).toEqual([1, 2]);
});

test("the latest intact one is found, past damaged, partial and foreign folders", () => {
  const run = temporaryFolder();
  for (const step of [1, 2, 3, 4]) writeCheckpoint(run, contentOf(step), KEEP_ALL);
  const dirs = listCheckpoints(run).map(({ dir }) => dir);
  const lastBit = readFileSync(join(dirs[3]!, WEIGHTS_FILE)).length * 8 - 1;
  flipBit(join(dirs[3]!, WEIGHTS_FILE), lastBit);
  rmSync(join(dirs[2]!, CHECKPOINT_FILE));
  cpSync(dirs[1]!, join(run, "checkpoints/step-00000009.partial-0123456789ab"), { recursive: true });
  cpSync(dirs[1]!, join(run, "checkpoints/notes"), { recursive: true });
  const found = latestCheckpoint(run)!;
  expect(found.checkpoint.step).toBe(2);
  expect(found.checkpoint.weights).toEqual(contentOf(2).weights);
  expect(found.skipped.map(({ dir }) => dir)).toEqual([dirs[3], dirs[2]]);
  expect(found.skipped.map(({ reason }) => reason)).toEqual([
    expect.stringContaining("weights.safetensors must have sha256"),
    expect.stringContaining("must hold checkpoint.json"),
  ]);
});

test("no checkpoints is null; only damaged ones is an error that names each", () => {
  const run = temporaryFolder();
  expect(latestCheckpoint(run)).toBeNull();
  expect(bestCheckpoint(run)).toBeNull();
  expect(listCheckpoints(run)).toEqual([]);
  for (const step of [1, 2])
    truncateSync(join(writeCheckpoint(run, contentOf(step, 1), KEEP_ALL).dir, WEIGHTS_FILE), 20);
  expect(() => latestCheckpoint(run)).toThrow(/got 2 that are not; .*step-00000002: .*step-00000001: /s);
  expect(() => bestCheckpoint(run)).toThrow("bestCheckpoint: ");
});

test("the best is the lowest finite loss, the newer of equals, past damaged ones", () => {
  const run = temporaryFolder();
  const losses = [3, 2, 2, 5, Number.NaN, undefined];
  losses.forEach((loss, step) => void writeCheckpoint(run, contentOf(step, loss), KEEP_ALL));
  expect(bestCheckpoint(run)!.checkpoint.step).toBe(2);
  flipBit(join(run, "checkpoints/step-00000002", OPTIMIZER_FILE), 700);
  const found = bestCheckpoint(run)!;
  expect(found.checkpoint).toMatchObject({ step: 1, validationLoss: 2 });
  expect(found.skipped.map(({ dir }) => basename(dir))).toEqual(["step-00000002"]);
});

test("a run without losses has no best", () => {
  const run = temporaryFolder();
  writeCheckpoint(run, contentOf(1), KEEP_ALL);
  expect(bestCheckpoint(run)).toBeNull();
});

test("the list tells step, loss, size and problem", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(7, 2.5), KEEP_ALL);
  const bytes = readFileSync(join(dir, WEIGHTS_FILE)).length + readFileSync(join(dir, OPTIMIZER_FILE)).length;
  expect(listCheckpoints(run)).toEqual([{ dir, step: 7, validationLoss: 2.5, bytes, problem: null }]);
  truncateSync(join(dir, WEIGHTS_FILE), 0);
  expect(listCheckpoints(run)[0]!.problem).toContain(`must have ${readLength(run)} bytes, got 0`);
});

test("pruning keeps the newest and the best", () => {
  const run = temporaryFolder();
  const losses = [4, 1, 3, 2.5, 2];
  losses.forEach((loss, i) => void writeCheckpoint(run, contentOf(i + 1, loss), { keepLast: 2, keepBest: true }));
  expect(steps(run)).toEqual([2, 4, 5]);
  const written = writeCheckpoint(run, contentOf(6, 0.5), { keepLast: 2, keepBest: true });
  expect(steps(run)).toEqual([5, 6]);
  expect(written.removed.map((dir) => basename(dir))).toEqual(["step-00000002", "step-00000004"]);
  expect(written.notRemoved).toEqual([]);
});

test("without keepBest only the newest stay", () => {
  const run = temporaryFolder();
  for (const step of [1, 2, 3]) writeCheckpoint(run, contentOf(step, step), { keepLast: 1, keepBest: false });
  expect(steps(run)).toEqual([3]);
  expect(readdirSync(join(run, "checkpoints"))).toEqual(["step-00000003"]);
});

test("a damaged checkpoint doesn't take the place of a good one", () => {
  const run = temporaryFolder();
  for (const step of [1, 2]) writeCheckpoint(run, contentOf(step), KEEP_ALL);
  truncateSync(join(run, "checkpoints/step-00000002", WEIGHTS_FILE), 3);
  writeCheckpoint(run, contentOf(3), { keepLast: 2, keepBest: false });
  expect(steps(run)).toEqual([1, 2, 3]);
});

test("the checkpoint just written is never pruned, even among later steps", () => {
  const run = temporaryFolder();
  for (const step of [10, 20, 30]) writeCheckpoint(run, contentOf(step), KEEP_ALL);
  writeCheckpoint(run, contentOf(15), { keepLast: 2, keepBest: false });
  expect(steps(run)).toEqual([15, 30]);
});

test("a step written again replaces what was there", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(5), KEEP_ALL);
  truncateSync(join(dir, WEIGHTS_FILE), 3);
  writeCheckpoint(run, { ...contentOf(5), state: { again: true } }, KEEP_ALL);
  expect(readCheckpoint(dir).state).toEqual({ again: true });
  expect(readdirSync(join(run, "checkpoints"))).toEqual(["step-00000005"]);
});

test("going on from an older step removes the later ones", () => {
  const run = temporaryFolder();
  for (const step of [1, 2, 3]) writeCheckpoint(run, contentOf(step), KEEP_ALL);
  expect(removeCheckpointsAfter(run, 1).map((dir) => basename(dir))).toEqual(["step-00000002", "step-00000003"]);
  expect(steps(run)).toEqual([1]);
});

test("what a killed writer left is cleared by the next checkpoint", () => {
  const run = temporaryFolder();
  const { dir } = writeCheckpoint(run, contentOf(1), KEEP_ALL);
  cpSync(dir, `${dir}.partial-0123456789ab`, { recursive: true });
  writeCheckpoint(run, contentOf(2), KEEP_ALL);
  expect(readdirSync(join(run, "checkpoints"))).toEqual(["step-00000001", "step-00000002"]);
});

test.each([
  [{ keepLast: 0, keepBest: true }, {}, "keepLast must be an integer >= 1 or Infinity, got 0"],
  [KEEP_ALL, { step: -1 }, "step must be an integer >= 0, got -1"],
  [KEEP_ALL, { step: 1.5 }, "step must be an integer >= 0, got 1.5"],
  [KEEP_ALL, { state: { rate: Number.NaN } }, "$.state.rate must be a finite number, got NaN"],
])("bad input is refused and leaves nothing: %o %o", (retention, change, message) => {
  const run = temporaryFolder();
  writeCheckpoint(run, contentOf(3), KEEP_ALL);
  expect(() => writeCheckpoint(run, { ...contentOf(4), ...change }, retention)).toThrow(message);
  expect(readdirSync(join(run, "checkpoints"))).toEqual(["step-00000003"]);
});

function steps(run: string): number[] {
  return listCheckpoints(run).map(({ step }) => step);
}

function readLength(run: string): number {
  const { weights } = contentOf(7);
  const fresh = writeCheckpoint(join(run, "other"), { ...contentOf(7), weights }, KEEP_ALL).dir;
  return readFileSync(join(fresh, WEIGHTS_FILE)).length;
}

function flipBit(path: string, bit: number): void {
  const bytes = readFileSync(path);
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  writeFileSync(path, bytes);
}

function attempt(read: () => Checkpoint): Checkpoint | Error {
  try {
    return read();
  } catch (error) {
    return error as Error;
  }
}
