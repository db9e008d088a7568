/**
 * A batch of study runs by two workers of one thread, by one worker of one thread and by one of two: the three in turn, every time
 * from an empty folder with the text already prepared. Prints one JSON document: `node bench/studyWorkers.mjs [--rounds 3] [--budget 1e12]`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { median } from "../dist/bench/statistics.js";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, budget: { type: "string", default: "1e12" } },
});
const rounds = Number(values.rounds);

/** Four runs: both families, two seeds, at a size whose gradients are small enough to stay in a core's cache. */
const study = {
  description: "Four alike runs, to time the workers.",
  base: {
    model: { seqLen: 256 },
    data: { sources: ["sotu"], tokenizer: { kind: "bpe", vocabSize: 384 } },
    train: { batchSize: 4, evaluate: { tokens: 50000 } },
  },
  families: { vanilla: {}, mod: { model: { pattern: ["dense", "mod"], routing: { kind: "learned" } } } },
  sizes: { "4x64": { nLayer: 4, dModel: 64, nHead: 2 } },
  learningRate: { peak: 0.0045, atWidth: 128, power: -1 },
  grid: [{ budgets: [Number(values.budget)], families: ["vanilla", "mod"], sizes: ["4x64"], seeds: [0, 1] }],
  compare: { baseline: "vanilla", candidates: ["mod"], controls: [] },
};

const WAYS = [
  { workers: 2, threads: 1 },
  { workers: 1, threads: 1 },
  { workers: 1, threads: 2 },
];

const folder = mkdtempSync(path.join(tmpdir(), "mod-workers-"));
const mod = new URL("../dist/cli/mod.js", import.meta.url).pathname;

/** Seconds for the whole batch, the command's own start and the evaluation at the end included. */
function seconds({ workers, threads }, name) {
  const place = path.join(folder, name, "study.json");
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(place, JSON.stringify(study));
  const started = performance.now();
  execFileSync(
    process.execPath,
    [mod, "study", "run", place, "--workers", String(workers), "--threads", String(threads)],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  return (performance.now() - started) / 1000;
}

const times = WAYS.map(() => []);
for (let round = 0; round < rounds; round++)
  for (const [i, way] of WAYS.entries()) {
    times[i].push(seconds(way, `${round}-${i}`));
    process.stderr.write(`round ${round}: ${JSON.stringify(way)} ${times[i].at(-1).toFixed(1)} s\n`);
  }
rmSync(folder, { recursive: true });

const [two, one, threaded] = times.map(median);
console.log(
  JSON.stringify(
    {
      machine: { cpu: cpus()[0].model, cores: cpus().length },
      node: process.version,
      runs: 4,
      budget: Number(values.budget),
      seconds: WAYS.map((way, i) => ({ ...way, median: median(times[i]), all: times[i] })),
      soonerThanOneThread: one / two,
      soonerThanTwoThreads: threaded / two,
    },
    null,
    2,
  ),
);
