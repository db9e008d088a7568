import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { findPeers, PEERS, probe } from "../src/bench/probe.ts";
import { trainBenchSchema } from "../src/bench/report.ts";
import { mod, modJson, modOk } from "./support/cli.ts";

const cwd = tmpdir();
const TINY = ["bench", "train", "--shapes", "tiny", "--steps", "2", "--threads", "1"];

test("mod bench train prints one document", async () => {
  const { machine, rows, missing, speedups } = trainBenchSchema.parse(await modJson(TINY, { cwd }));
  expect(machine.node).toBe(process.version);
  expect(machine.onnxruntime).toMatch(/^\d+\.\d+\.\d+/);
  expect(rows.map(({ engine, model, shape, threads }) => [engine, model, shape, threads])).toEqual([
    ["ours", "dense", "tiny", 1],
    ["ours", "mod", "tiny", 1],
  ]);
  for (const { lossNats, stepMs, forwardBackwardMs } of rows) {
    expect(lossNats[0]).toBeGreaterThan(Math.log(64) - 0.2);
    expect(lossNats[0]).toBeLessThan(Math.log(64) + 0.2);
    expect(lossNats[1]).toBeLessThan(lossNats[0]);
    expect(stepMs.min).toBeLessThanOrEqual(stepMs.median);
    expect(forwardBackwardMs.min).toBeGreaterThan(0);
  }
  expect(missing).toEqual([]);
  expect(speedups.overDense.map(({ engine }) => engine)).toEqual(["ours"]);
  expect(speedups.oursOverPeers).toEqual([]);
});

test("peers that no interpreter has are told, in the document and to people", async () => {
  const args = [...TINY, "--models", "mod", "--seq-len", "16", "--peers", "--peer-python", "no-such,neither"];
  const { rows, missing } = trainBenchSchema.parse(await modJson(args, { cwd }));
  expect(rows.map(({ model, seqLen }) => [model, seqLen])).toEqual([["mod", 16]]);
  const reason = "no-such: no such program; neither: no such program";
  expect(missing.map(({ engine }) => engine)).toEqual(["pytorch-1.13", "pytorch", "torch.compile", "jax"]);
  expect(new Set(missing.map((entry) => entry.reason))).toEqual(new Set([reason]));

  const { stdout, stderr } = await modOk(args, { cwd });
  expect(stdout).toMatch(/^shape +model +engine +version +threads +step ms/m);
  expect(stdout).toContain(`missing: jax (${reason})\n`);
  expect(stderr).toContain("bench 100%");
});

const PYTHONS = ["python3", "/usr/bin/python3"];
const { found } = findPeers(await Promise.all(PYTHONS.map(probe)));

test.skipIf(found.length === 0)("peers train the same model (needs PyTorch or JAX)", async () => {
  const args = [...TINY, "--models", "mod", "--peers", "--peer-python", PYTHONS.join(",")];
  const { rows, missing } = trainBenchSchema.parse(await modJson(args, { cwd }));
  expect(rows.map(({ engine }) => engine)).toEqual(["ours", ...found.map(({ engine }) => engine)]);
  expect(missing).toHaveLength(PEERS.length - found.length);
  // Their random numbers differ, so that their losses do, a little.
  for (const { engine, lossNats } of rows) {
    for (const i of [0, 1] as const) expect(Math.abs(lossNats[i] - rows[0]!.lossNats[i]), engine).toBeLessThan(0.1);
    expect(lossNats[1], engine).toBeLessThan(lossNats[0]);
  }
});

test("a shape that is none is refused", async () => {
  const { code, stderr } = await mod(["bench", "train", "--shapes", "tiny,8x128"], { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain('mod: --shapes: must be one of 8x256, 8x512, tiny, got "8x128"');
});
