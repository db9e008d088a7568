import { expect, test } from "vitest";
import { startFastest } from "./calibrate.ts";
import type { Candidate } from "./candidates.ts";
import type { StepSettings } from "./protocol.ts";
import { measureRounds, type Plan, startAll } from "./rounds.ts";
import { settingsOf } from "./shapes.ts";
import { Tally } from "./tally.ts";
import { Worker } from "./worker.ts";

const SETTINGS = settingsOf("tiny", "dense", 1);

/** A process that answers without working: a step takes as many milliseconds as its program says. */
function pretended(stepMs: number, { threads = 1, body = "" } = {}): Candidate {
  const script = `
    const say = (message) => console.log(JSON.stringify(message));
    ${body}
    say({ version: "0", threads: ${threads}, losses: [4, 3] });
    require("readline").createInterface(process.stdin).on("line", (line) =>
      say(line === "peak" ? { peakMiB: 12 } : { ms: line === "step" ? ${stepMs} : ${stepMs} / 2 }));`;
  const settings: StepSettings = { ...SETTINGS, threads };
  return { command: { program: process.execPath, args: ["-e", script], env: process.env, settings }, chosen: {} };
}

const plan = (engine: Plan["engine"], candidates: readonly Candidate[]): Plan => ({
  ...{ engine, shape: "tiny", settings: SETTINGS, candidates },
});

const quiet = () => new Tally({ update: () => {}, note: () => {}, done: () => {} });

test("a worker is ready, measures, tells its peak, and ends", async () => {
  const worker = await Worker.start(pretended(7).command);
  expect(worker.ready).toEqual({ version: "0", threads: 1, losses: [4, 3] });
  expect(await worker.time("step")).toBe(7);
  expect(await worker.time("forwardBackward")).toBe(3.5);
  expect(await worker.peakMiB()).toBe(12);
  await worker.close();
  await worker.close();
  await expect(worker.time("step")).rejects.toThrow();
});

test("a worker that fails says why", async () => {
  const failing = pretended(1, {
    body: 'console.error("Traceback"); console.error("no module torch"); process.exit(3);',
  });
  await expect(Worker.start(failing.command)).rejects.toThrow("no module torch");
  const silent = pretended(1, { body: "process.exit(3);" });
  await expect(Worker.start(silent.command)).rejects.toThrow(/ended without an answer, exit code 3$/);
  const wrong = pretended(1, { body: 'say({ hello: "world" });' });
  await expect(Worker.start(wrong.command)).rejects.toThrow('must answer as src/bench/protocol.ts says, got {"hello"');
  const missing = { ...pretended(1).command, program: "no-such-python" };
  await expect(Worker.start(missing)).rejects.toThrow("no-such-python");
});

test("calibration keeps the fastest candidate", async () => {
  const candidates = [pretended(9), pretended(5, { threads: 2 }), pretended(6)];
  const { worker, candidate, tried } = await startFastest(candidates);
  expect({ tried, threads: worker.ready.threads }).toEqual({ tried: [9, 5, 6], threads: 2 });
  expect(candidate).toBe(candidates[1]);
  await worker.close();
});

test("rows take turns; a peer that fails is told, and ours must not fail", async () => {
  const failing = pretended(1, { body: 'console.error("no compiler"); process.exit(1);' });
  const plans = [plan("ours", [pretended(8)]), plan("torch.compile", [failing]), plan("jax", [pretended(4)])];
  const { running, missing } = await startAll(plans, 2, quiet());
  expect(missing).toEqual([{ engine: "torch.compile", reason: "torch.compile tiny dense: no compiler" }]);
  const rows = await measureRounds(running, 2, quiet());
  expect(
    rows.map(({ engine, stepMs, forwardBackwardMs, peakMiB }) => ({ engine, stepMs, forwardBackwardMs, peakMiB })),
  ).toEqual([
    { engine: "ours", stepMs: [8, 8], forwardBackwardMs: [4, 4], peakMiB: 12 },
    { engine: "jax", stepMs: [4, 4], forwardBackwardMs: [2, 2], peakMiB: 12 },
  ]);
  await expect(startAll([plan("ours", [failing])], 1, quiet())).rejects.toThrow("no compiler");
});
