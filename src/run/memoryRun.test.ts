import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { latestCheckpoint, listCheckpoints, writeCheckpoint } from "./checkpoint.ts";
import { folderStore } from "./folderStore.ts";
import { MemoryRun, type RunFiles } from "./memoryRun.ts";
import { readMetrics } from "./metrics.ts";
import { createRun, openRun, runPaths } from "./runFolder.ts";
import type { RunStore } from "./runStore.ts";
import { contentOf } from "./testing/content.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const NEW = { config: { seed: 1, model: { nLayer: 2 } }, tokenizerJson: '{"model":{}}\n' };
const KEEP_ALL = { keepLast: 9, keepBest: true };

const readFolder = (dir: string): RunFiles =>
  new Map(
    (readdirSync(dir, { recursive: true }) as string[])
      .filter((name) => statSync(path.join(dir, name)).isFile())
      .map((name) => [name.split(path.sep).join("/"), new Uint8Array(readFileSync(path.join(dir, name)))] as const),
  );

function writeFolder(dir: string, files: RunFiles): void {
  for (const [name, bytes] of files) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    writeFileSync(path.join(dir, name), bytes);
  }
}

/** What a run does, wherever it is kept. */
function live(store: RunStore): void {
  const retention = { keepLast: 2, keepBest: true };
  const losses = [3, 1, 2, 2.5, Number.NaN];
  for (const [i, loss] of losses.entries()) {
    store.append({ kind: "step", step: i + 1, loss });
    store.save(contentOf(i + 1, loss), retention);
  }
  store.append({ kind: "step", step: 6, loss: 2 });
  store.rewindTo(4);
  store.append({ kind: "step", step: 5, loss: 9 });
  store.save(contentOf(5), { keepLast: 1, keepBest: true });
}

test("what a run leaves in memory is what it leaves in a folder, byte for byte", () => {
  const dir = path.join(temporaryFolder(), "run");
  createRun(dir, NEW);
  const store = folderStore(dir);
  live(store);
  store.close();
  const memory = MemoryRun.create("run", NEW);
  live(memory);
  const sorted = (files: RunFiles) => [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(sorted(memory.files)).toEqual(sorted(readFolder(dir)));
  expect([...memory.files.keys()].filter((name) => name.endsWith("checkpoint.json"))).toHaveLength(2);
});

test("a folder's run goes on in memory, and memory's in a folder", () => {
  const temporary = temporaryFolder();
  const dir = path.join(temporary, "begun");
  createRun(dir, NEW);
  writeCheckpoint(dir, contentOf(3, 1), KEEP_ALL);
  const memory = MemoryRun.open("begun", readFolder(dir));
  expect(memory.latest()!.checkpoint).toMatchObject({ step: 3, validationLoss: 1, state: contentOf(3).state });
  expect(memory.latest()!.checkpoint.weights).toEqual(contentOf(3).weights);
  memory.append({ kind: "step", step: 4 });
  memory.save(contentOf(4, 0.5), KEEP_ALL);
  const other = path.join(temporary, "other");
  writeFolder(other, memory.files);
  expect(openRun(other).config).toEqual(NEW.config);
  expect(readMetrics(runPaths(other).metrics)).toEqual([{ kind: "step", step: 4 }]);
  expect(listCheckpoints(other).map(({ step, problem }) => ({ step, problem }))).toEqual([
    { step: 3, problem: null },
    { step: 4, problem: null },
  ]);
  expect(latestCheckpoint(other)!.checkpoint.optimizer).toEqual(contentOf(4).optimizer);
});

test("files that it knows nothing of stay", () => {
  const notes = new Map([["text/a.txt", new Uint8Array([1, 2])]]);
  const files = MemoryRun.create("run", NEW, notes).files;
  expect([...files.keys()]).toEqual(["text/a.txt", "tokenizer.json", "config.json", "metrics.jsonl"]);
  expect(MemoryRun.open("run", files).files).toEqual(files);
});

describe("damage is found", () => {
  const good = () => {
    const run = MemoryRun.create("run", NEW);
    run.save(contentOf(1, 2), KEEP_ALL);
    run.save(contentOf(2, 1), KEEP_ALL);
    return new Map(run.files);
  };
  const newest = "checkpoints/step-00000002";

  test.each(["weights.safetensors", "optimizer.safetensors", "checkpoint.json"])(
    "in %s: the one before is used",
    (name) => {
      const files = good();
      files.set(`${newest}/${name}`, files.get(`${newest}/${name}`)!.with(-3, 1));
      const { checkpoint, skipped } = MemoryRun.open("run", files).latest()!;
      expect(checkpoint.step).toBe(1);
      expect(skipped).toMatchObject([{ dir: newest }]);
    },
  );

  test("a file that is missing or cut short", () => {
    const files = good();
    files.delete(`${newest}/weights.safetensors`);
    expect(MemoryRun.open("run", files).latest()!.skipped[0]!.reason).toMatch(/must hold weights.safetensors/);
    files.set(`${newest}/weights.safetensors`, new Uint8Array(3));
    expect(MemoryRun.open("run", files).latest()!.skipped[0]!.reason).toMatch(/must have \d+ bytes, got 3/);
  });

  test("files that are no run", () => {
    expect(() => MemoryRun.open("x", new Map())).toThrow("openRun: x must be a run folder with config.json, got none");
    const files = good();
    files.set("metrics.jsonl", new TextEncoder().encode("nonsense\n{}\n"));
    expect(() => MemoryRun.open("x", files)).toThrow(/metrics.jsonl line 1/);
  });
});
