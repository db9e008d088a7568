import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { lookForPeers } from "../src/bench/probe.ts";
import { sampleBenchSchema } from "../src/bench/sampleReport.ts";
import { mod, modJson, modOk } from "./support/cli.ts";

const cwd = tmpdir();
const TINY = [
  ...["bench", "sample", "--shapes", "tiny", "--rounds", "2", "--threads", "1", "--prompt", "8", "--tokens", "64"],
];
const FLOAT32 = ["--weights", "float32"];

test("mod bench sample prints one document", async () => {
  const document = sampleBenchSchema.parse(await modJson([...TINY, ...FLOAT32, "--batches", "1,3"], { cwd }));
  const { rows, readBandwidth, speedups, missing } = document;
  expect(document).toMatchObject({ rule: "random", prompt: 8, tokens: 64 });
  expect(readBandwidth.threads).toBe(1);
  expect(rows.map(({ engine, model, batch, threads, weights }) => [engine, model, batch, threads, weights])).toEqual([
    ["ours", "dense", 1, 1, "float32"],
    ["ours", "mod", 1, 1, "float32"],
    ["ours", "dense", 3, 1, "float32"],
    ["ours", "mod", 3, 1, "float32"],
  ]);
  for (const { model, batch, msPerToken, tokensPerSecond, realisedCapacity, limitMs } of rows) {
    expect(msPerToken.min).toBeLessThanOrEqual(msPerToken.median);
    expect(tokensPerSecond).toBeCloseTo((1000 * batch) / msPerToken.median, 6);
    expect(limitMs).toBeGreaterThan(0);
    // One of 8 tokens on average, of 63 and of 189.
    if (model === "dense") expect(realisedCapacity).toBeNull();
    else expect(Math.abs(realisedCapacity! - 1 / 8)).toBeLessThan(0.1);
  }
  expect(missing).toEqual([]);
  expect(speedups.map(({ model, over, batch }) => [model, over, batch])).toEqual([
    ["mod", "dense", 1],
    ["mod", "dense", 3],
  ]);
});

test("people get tables, and peers that no interpreter has are told", async () => {
  const args = [...TINY, "--batches", "1", "--models", "mod", "--peers", "--peer-python", "no-such"];
  const { stdout, stderr } = await modOk(args, { cwd });
  expect(stdout).toMatch(/^shape +batch +model +engine +version +weights +threads +ms a token step/m);
  for (const weights of ["int8", "int4"])
    expect(stdout).toMatch(new RegExp(`^tiny +1 +mod +ours +${weights} +float32 +\\d`, "m"));
  expect(stdout).toContain("missing: pytorch-1.13 (no-such: no such program)\n");
  expect(stdout).toContain("missing: pytorch (no-such: no such program)\n");
  expect(stderr).toContain("bench 100%");
});

const PYTHONS = ["python3", "/usr/bin/python3"];
const { found } = await lookForPeers(PYTHONS, ["pytorch-1.13", "pytorch"]);

test.skipIf(found.length === 0)("peers sample from the same model (needs PyTorch)", async () => {
  const args = [...TINY, ...FLOAT32, "--batches", "1,3", "--peers", "--peer-python", PYTHONS.join(",")];
  const { rows, missing, speedups } = sampleBenchSchema.parse(await modJson(args, { cwd }));
  const engines = found.flatMap(({ engine }) => [engine, engine]);
  expect(missing).toHaveLength(2 - found.length);
  for (const batch of [1, 3]) {
    const alike = rows.filter((row) => row.batch === batch);
    expect(alike.map(({ engine }) => engine)).toEqual(["ours", "ours", ...engines]);
    for (const { model, realisedCapacity, limitMs } of alike.slice(2)) {
      expect(limitMs).toBeNull();
      if (model === "mod") expect(Math.abs(realisedCapacity! - 1 / 8)).toBeLessThan(0.1);
    }
  }
  for (const { engine } of found) expect(speedups.filter(({ over }) => over === engine)).toHaveLength(4);
});

test("what does not fit the context, and what is no shape or number, is refused", async () => {
  const long = await mod(["bench", "sample", "--prompt", "64", "--tokens", "1000"], { cwd });
  expect(long.code).toBe(2);
  expect(long.stderr).toContain("mod: --tokens: prompt and new tokens must be at most 1024 together, got 1064");
  const { code, stderr } = await mod(["bench", "sample", "--shapes", "9x9", "--batches", "1,x"], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain('mod: --shapes: must be one of 8x256, 8x512, 12x768, tiny, got "9x9"');
  expect(stderr).toContain('mod: --batches: must be a whole number of at least 1, got "x"');
});
