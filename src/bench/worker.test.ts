import { expect, test } from "vitest";
import { startFastest } from "./calibrate.ts";
import type { Candidate } from "./candidates.ts";
import type { EngineName } from "./document.ts";
import { readySchema, type StepSettings, timeSchema } from "./protocol.ts";
import { takeTurns } from "./rounds.ts";
import { settingsOf } from "./shapes.ts";
import { stepInquiry } from "./trainBench.ts";
import { Worker } from "./worker.ts";

const SETTINGS = settingsOf("tiny", "dense", 1);

/** A process that answers without working: a step takes as many milliseconds as its program says. */
function pretended(stepMs: number, { threads = 1, body = "" } = {}): Candidate {
  const script = `
    const say = (message) => console.log(JSON.stringify(message));
    ${body}
    say({ version: "0", threads: ${threads}, losses: [4, 3], peakMiB: 12 });
    require("readline").createInterface(process.stdin).on("line", (line) =>
      say({ ms: line === "step" ? ${stepMs} : ${stepMs} / 2 }));`;
  const settings: StepSettings = { ...SETTINGS, threads };
  return { command: { program: process.execPath, args: ["-e", script], env: process.env, settings }, chosen: {} };
}

const plan = (engine: EngineName, candidates: readonly Candidate[]) => ({
  ...({ engine, shape: "tiny", name: `${engine} tiny dense`, settings: SETTINGS, candidates } as const),
});

const quiet = () => ({ update: () => {}, note: () => {}, done: () => {} });
const start = ({ command }: Candidate) => Worker.start(command, readySchema);

test("a worker is ready, measures, and ends", async () => {
  const worker = await start(pretended(7));
  expect(worker.ready).toEqual({ version: "0", threads: 1, losses: [4, 3], peakMiB: 12 });
  expect(await worker.ask("step", timeSchema)).toEqual({ ms: 7 });
  expect(await worker.ask("forwardBackward", timeSchema)).toEqual({ ms: 3.5 });
  await worker.close();
  await worker.close();
  await expect(worker.ask("step", timeSchema)).rejects.toThrow();
});

test("a worker that fails says why", async () => {
  const failing = pretended(1, {
    body: 'console.error("Traceback"); console.error("no module torch"); process.exit(3);',
  });
  await expect(start(failing)).rejects.toThrow("no module torch");
  const silent = pretended(1, { body: "process.exit(3);" });
  await expect(start(silent)).rejects.toThrow(/ended without an answer, exit code 3$/);
  const wrong = pretended(1, { body: 'say({ hello: "world" });' });
  await expect(start(wrong)).rejects.toThrow('must answer as its protocol in src/bench says, got {"hello"');
  const missing = { ...pretended(1).command, program: "no-such-python" };
  await expect(Worker.start(missing, readySchema)).rejects.toThrow("no-such-python");
});

test("calibration keeps the fastest candidate", async () => {
  const candidates = [pretended(9), pretended(5, { threads: 2 }), pretended(6)];
  const { worker, candidate, tried } = await startFastest(candidates, stepInquiry);
  expect({ tried, threads: worker.ready.threads }).toEqual({ tried: [9, 5, 6], threads: 2 });
  expect(candidate).toBe(candidates[1]);
  await worker.close();
});

test("rows take turns; a peer that fails is told, and ours must not fail", async () => {
  const failing = pretended(1, { body: 'console.error("no compiler"); process.exit(1);' });
  const plans = [plan("ours", [pretended(8)]), plan("torch.compile", [failing]), plan("jax", [pretended(4)])];
  const { measured, missing } = await takeTurns([plans], stepInquiry, 2, quiet);
  expect(missing).toEqual([{ engine: "torch.compile", reason: "torch.compile tiny dense: no compiler" }]);
  expect(measured.map(({ plan: { engine }, ready, turns }) => ({ engine, peakMiB: ready.peakMiB, turns }))).toEqual([
    { engine: "ours", peakMiB: 12, turns: Array(2).fill({ stepMs: 8, forwardBackwardMs: 4 }) },
    { engine: "jax", peakMiB: 12, turns: Array(2).fill({ stepMs: 4, forwardBackwardMs: 2 }) },
  ]);
  await expect(takeTurns([[plan("ours", [failing])]], stepInquiry, 1, quiet)).rejects.toThrow("no compiler");
});
