import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeCheckpoint } from "./checkpoint.ts";
import { cleanRun, createRun, openRun } from "./runFolder.ts";
import { contentOf } from "./testing/content.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

const NEW = { config: { model: { nLayer: 4 }, seed: 1 }, tokenizerJson: '{"model":{"type":"BPE"}}' };

test("a run is made, with parents, and opens as it was made", () => {
  const dir = join(temporaryFolder(), "runs/first");
  const run = createRun(dir, NEW);
  expect(readdirSync(dir).sort()).toEqual(["config.json", "tokenizer.json"]);
  expect(run).toEqual({
    dir,
    config: NEW.config,
    tokenizerJson: NEW.tokenizerJson,
    paths: {
      config: join(dir, "config.json"),
      tokenizer: join(dir, "tokenizer.json"),
      metrics: join(dir, "metrics.jsonl"),
      checkpoints: join(dir, "checkpoints"),
    },
  });
  expect(openRun(dir)).toEqual(run);
  expect(readFileSync(run.paths.config, "utf8")).toBe(`${JSON.stringify(NEW.config, null, 2)}\n`);
});

test("an empty folder will do", () => {
  const dir = temporaryFolder();
  expect(createRun(dir, NEW).config).toEqual(NEW.config);
});

test("a folder that holds a run is refused, with the way to go on", () => {
  const dir = temporaryFolder();
  createRun(dir, NEW);
  expect(() => createRun(dir, NEW)).toThrow("got a run; use --resume to go on with that run, or another --out");
});

test("a folder that holds anything else is refused and left alone", () => {
  const dir = temporaryFolder();
  writeFileSync(join(dir, "thesis.txt"), "");
  expect(() => createRun(dir, NEW)).toThrow("got a folder with thesis.txt; use another --out");
  expect(() => createRun(join(dir, "thesis.txt"), NEW)).toThrow("must be a folder, got a file");
  expect(readdirSync(dir)).toEqual(["thesis.txt"]);
});

test("a configuration that JSON would change is refused before anything is made", () => {
  const dir = join(temporaryFolder(), "run");
  expect(() => createRun(dir, { ...NEW, config: { rate: Number.POSITIVE_INFINITY } })).toThrow(
    "config.rate must be a finite number, got Infinity",
  );
  expect(() => openRun(dir)).toThrow("got nothing there");
});

test("what is not a run folder is refused by name", () => {
  const dir = temporaryFolder();
  expect(() => openRun(join(dir, "absent"))).toThrow("must be a run folder, got nothing there");
  expect(() => openRun(dir)).toThrow(`got no readable ${join(dir, "config.json")} (ENOENT)`);
  writeFileSync(join(dir, "config.json"), "[]");
  expect(() => openRun(join(dir, "config.json"))).toThrow("got a file");
  expect(() => openRun(dir)).toThrow("config.json must hold a JSON object");
  writeFileSync(join(dir, "config.json"), "{}");
  expect(() => openRun(dir)).toThrow("tokenizer.json (ENOENT)");
});

test("cleaning clears both places where a writer works", () => {
  const dir = temporaryFolder();
  createRun(dir, NEW);
  writeCheckpoint(dir, contentOf(1), { keepLast: 1, keepBest: false });
  writeFileSync(join(dir, "metrics.jsonl.partial-0123456789ab"), "");
  mkdirSync(join(dir, "checkpoints/step-00000002.partial-0123456789ab"));
  expect(cleanRun(dir)).toHaveLength(2);
  expect(readdirSync(join(dir, "checkpoints"))).toEqual(["step-00000001"]);
  rmSync(join(dir, "checkpoints"), { recursive: true });
  expect(cleanRun(dir)).toEqual([]);
});
