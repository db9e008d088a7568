/** A training process is killed at random moments, while saving too, and resumed: the end is as if nothing had happened. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, watch } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { uniform } from "../random.ts";
import { listCheckpoints } from "../run/checkpoint.ts";
import { readMetrics } from "../run/metrics.ts";
import { runPaths } from "../run/runFolder.ts";
import { builtSources } from "../run/testing/builtSources.ts";
import { temporaryFolder } from "../run/testing/temporaryFolder.ts";
import { newRun, sharedData, tinyConfig, trainToEnd } from "./testing/tinyRun.ts";

const SEED = 1;
const STEPS = 120;
/** Kills at random moments, and kills as soon as a checkpoint is being written. */
const [AT_RANDOM, WHILE_SAVING] = [4, 4];

const shared = sharedData();
const built = builtSources(["train/testing/trainProcess.ts"]);

const config = tinyConfig("mod", {
  train: { horizon: { kind: "steps", steps: STEPS }, evaluate: { every: 7, tokens: 64 }, checkpoint: { every: 2 } },
});

/** When to kill: so long after the process began to train, or when the n-th save from then on begins. */
type Moment = { readonly ms: number } | { readonly save: number };

/** Runs the training process, kills it at a moment if one is given, and returns what it reported, `KIND STEP` each. */
async function trainProcess(dir: string, moment?: Moment): Promise<string[]> {
  const script = built.path("train/testing/trainProcess.js");
  const child = spawn(process.execPath, [script, dir, shared.get().dir], { stdio: ["ignore", "pipe", "inherit"] });
  const reported: string[] = [];
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => reported.push(line));
  const ended = Promise.all([once(child, "exit"), once(lines, "close")]);
  await once(lines, "line");
  const kill = () => child.kill("SIGKILL");
  const cancel = moment === undefined ? () => {} : killAt(moment, runPaths(dir).checkpoints, kill);
  await ended;
  cancel();
  return reported;
}

/** Arranges the kill; returns how to call it off. */
function killAt(moment: Moment, checkpoints: string, kill: () => void): () => void {
  if ("ms" in moment) {
    const timer = setTimeout(kill, moment.ms);
    return () => clearTimeout(timer);
  }
  const begun = new Set<string | null>();
  const watcher = watch(checkpoints, (_, name) => {
    if (name?.startsWith("step-") && name.includes(".partial-")) begun.add(name);
    if (begun.size >= moment.save) kill();
  });
  return () => watcher.close();
}

const leftBehind = (dir: string) => readdirSync(runPaths(dir).checkpoints).filter((name) => name.includes(".partial-"));

test(`kill -9 at ${AT_RANDOM + WHILE_SAVING} moments, and the weights end byte-identical`, async () => {
  const parent = temporaryFolder();
  const [whole, killed] = ["whole", "killed"].map((name) => newRun(parent, name, config, shared.get())) as [
    string,
    string,
  ];
  await trainToEnd({ dir: whole, config, data: shared.get() });
  // To be watched before the first save makes it.
  mkdirSync(runPaths(killed).checkpoints);

  const moments: Moment[] = Array.from({ length: AT_RANDOM + WHILE_SAVING }, (_, i) =>
    i % 2 === 0 ? { ms: 5 + 60 * uniform(SEED, i) } : { save: 1 + Math.floor(4 * uniform(SEED, i)) },
  );
  let saves = 0;
  for (const moment of moments) {
    expect(await trainProcess(killed, moment)).not.toContain(`done ${STEPS}`);
    saves += leftBehind(killed).length;
  }
  // A fast disk saves between two looks.
  for (let i = 0; saves === 0 && i < 20; i++) {
    await trainProcess(killed, { save: 1 });
    saves += leftBehind(killed).length;
  }
  expect(saves, "kills in the middle of writing or removing a checkpoint").toBeGreaterThan(0);
  expect((await trainProcess(killed)).at(-1)).toBe(`done ${STEPS}`);

  const [expected, got] = [whole, killed].map((dir) => listCheckpoints(dir).at(-1)!.dir) as [string, string];
  for (const file of readdirSync(expected)) {
    expect(readFileSync(path.join(got, file)).equals(readFileSync(path.join(expected, file))), file).toBe(true);
  }
  const losses = (dir: string) => readMetrics(runPaths(dir).metrics).map(({ step, losses }) => [step, losses]);
  expect(losses(killed)).toEqual(losses(whole));
});
