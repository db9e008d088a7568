import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { resolveConfig } from "../config/runConfig.ts";
import { openRun } from "../run/runFolder.ts";
import { temporaryFolder } from "../run/testing/temporaryFolder.ts";
import { startRun } from "../train/startRun.ts";
import { prepareText, tinyConfig } from "../train/testing/tinyRun.ts";

test("a run folder names its files absolutely, so that it can go on from any folder", async () => {
  const dir = temporaryFolder();
  const data = await prepareText(dir);
  const tokenizer = { kind: "file", path: path.relative(process.cwd(), path.join(dir, "tokenizer.json")) } as const;
  writeFileSync(tokenizer.path, JSON.stringify(data.tokenizer.toJson()));
  const sources = ["sotu", path.relative(process.cwd(), path.join(dir, "text"))];
  const config = tinyConfig("dense");
  startRun(path.join(dir, "run"), { ...config, data: { ...config.data, sources, tokenizer } }, data);
  data.close();

  const saved = resolveConfig(openRun(path.join(dir, "run")).config);
  expect(saved.data.sources).toEqual(["sotu", path.join(dir, "text")]);
  expect(saved.data.tokenizer).toEqual({ kind: "file", path: path.join(dir, "tokenizer.json") });
  expect(saved.model.vocabSize).toBe(257);
});
