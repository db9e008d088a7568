/**
 * Where the time of a token step goes, one sequence of 64 tokens and 128 more: prints one JSON document and draws it to a PNG.
 * `node bench/whereSample.mjs [--tokens 128] [--threads 2] [--figure docs/figures/sample.png]`.
 *
 * Products with weights are what they take alone. What the graph takes beyond that is divided as a profile of its operators says,
 * which is itself slow: its shares are used, not its times. What is outside the graph (feeding it, caches) is timed without it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { timeProducts } from "../dist/bench/products.js";
import { productsMs } from "../dist/bench/sampleLimit.js";
import { meanStep } from "../dist/bench/sampleReport.js";
import { modelConfig, sampleSettingsOf } from "../dist/bench/shapes.js";
import { median } from "../dist/bench/statistics.js";
import { nodeRuntime } from "../dist/index.js";
import { initialParameters } from "../dist/model/parameters.js";
import { svgToPng } from "../dist/render/png.js";
import { Decoder } from "../dist/sample/decoder.js";

const { values } = parseArgs({
  options: {
    tokens: { type: "string", default: "128" },
    threads: { type: "string", default: "2" },
    figure: { type: "string" },
  },
});
const [tokens, threads] = [Number(values.tokens), Number(values.threads)];
const PROMPT = 64;
const ROUNDS = 7;

const PARTS = {
  "products with weights": "#4c78a8",
  "attention: products with the cache": "#72a0cc",
  "attention: the rest": "#9ecae9",
  "deciding, gathering, scattering": "#f58518",
  "norms and elementwise": "#b279a2",
  layout: "#54a24b",
  "between operators": "#bab0ac",
  "feeding, appending to caches": "#e45756",
};

/** What an operator of the profile belongs to. */
function partOf({ op_name: op, input_type_shape: inputs }, { dModel }) {
  const shapes = inputs.map((entry) => Object.values(entry)[0]);
  const isOfHeads = shapes.some((shape) => shape.length === 4);
  if (/MatMul/.test(op)) {
    if (isOfHeads) return "attention: products with the cache";
    const isSmall = shapes.some(
      (shape) => shape.length === 2 && (shape[1] === 1 || (shape[0] === dModel && shape[1] <= 64)),
    );
    return isSmall ? "deciding, gathering, scattering" : "products with weights";
  }
  if (/^(NonZero|Gather|ScatterND|ReduceMax|Greater|If|Squeeze|Unsqueeze)$/.test(op))
    return "deciding, gathering, scattering";
  if (/Softmax|Rotary|Less|Where|Range/.test(op) || (/^(Add|Mul|Concat|Slice)$/.test(op) && isOfHeads))
    return "attention: the rest";
  if (/Reshape|Split|Slice|Shape|Cast|Concat|Identity/.test(op)) return "layout";
  return "norms and elementwise";
}

async function decode(model, parameters, rule, runtime) {
  const decoder = await Decoder.create(model, parameters, { rule, runtime });
  await decoder.add(Int32Array.from({ length: PROMPT }, (_, i) => (37 * i) % model.vocabSize));
  const times = [];
  const rows = [0, 0];
  for (let i = 0; i < tokens; i++) {
    const started = performance.now();
    const { routedThrough } = await decoder.step(Int32Array.of(i));
    times.push(performance.now() - started);
    for (const [through] of routedThrough) rows[through]++;
  }
  await decoder.dispose();
  return { times: times.slice(8), rows };
}

/** Of the graph's time beside products with weights: the share of each part. */
async function profile(model, parameters, rule) {
  const folder = mkdtempSync(path.join(tmpdir(), "mod-profile-"));
  await decode(model, parameters, rule, nodeRuntime({ threads, profilePrefix: path.join(folder, "p") }));
  const files = readdirSync(folder).map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")));
  rmSync(folder, { recursive: true });
  const runsOf = (events) => events.filter(({ name }) => name === "model_run").length;
  const events = files.reduce((a, b) => (runsOf(a) > runsOf(b) ? a : b)); // the step's, not the prompt's
  const parts = Object.fromEntries(Object.keys(PARTS).map((part) => [part, 0]));
  for (const { cat, name, dur, args } of events) {
    // An If holds the operators of its branch, which are told of too.
    if (cat === "Node" && name.endsWith("_kernel_time") && args.op_name !== "If") parts[partOf(args, model)] += dur;
  }
  const total = events.filter(({ name }) => name === "model_run").reduce((sum, { dur }) => sum + dur, 0);
  const kernels = Object.values(parts).reduce((a, b) => a + b);
  parts["between operators"] = total - kernels;
  delete parts["products with weights"];
  const others = Object.values(parts).reduce((a, b) => a + b);
  return Object.fromEntries(Object.entries(parts).map(([part, us]) => [part, us / others]));
}

/** A runtime that tells how long its graphs ran. */
function timed(runtime) {
  const spent = { ms: [] };
  const compile = async (...args) => {
    const executor = await runtime.compile(...args);
    const run = async (...given) => {
      const started = performance.now();
      const result = await executor.run(...given);
      spent.ms.push(performance.now() - started);
      return result;
    };
    return { run, dispose: () => executor.dispose() };
  };
  return { runtime: { ...runtime, compile }, spent };
}

const MODELS = ["dense", "mod"];

/** What a model's steps are made of, and what was measured of them so far. */
function prepare(shape, name) {
  const sizes = { model: name, batch: 1, prompt: PROMPT, tokens, threads, weights: "float32" };
  const settings = sampleSettingsOf(shape, sizes);
  const model = modelConfig(settings);
  const parameters = Object.fromEntries(
    [...initialParameters(model, 0)].map(([key, { shape: dims, data }]) => [
      `value.${key}`,
      { dtype: "float32", shape: dims, data },
    ]),
  );
  // By chance, as in mod bench sample: the nominal share of the tokens.
  const rule = name === "dense" ? "through" : "random";
  return { settings, model, parameters, rule, steps: [], graphs: [], limits: [], ...timed(nodeRuntime({ threads })) };
}

async function measureOnce({ settings, model, parameters, rule, runtime, spent, steps, graphs, limits }) {
  spent.ms = [];
  const { times, rows } = await decode(model, parameters, rule, runtime);
  steps.push(times);
  graphs.push(spent.ms.slice(-times.length));
  const routed = rule === "through" ? [] : rows;
  limits.push(productsMs(settings, await timeProducts(settings, nodeRuntime({ threads })), routed));
}

const rows = [];
for (const shape of ["8x256", "8x512", "12x768"]) {
  const prepared = MODELS.map((name) => prepare(shape, name));
  // In turns, so that a machine whose speed drifts is the same one for both.
  for (let round = 0; round < ROUNDS; round++) for (const each of prepared) await measureOnce(each);
  for (const [i, { model, parameters, rule, steps, graphs, limits }] of prepared.entries()) {
    const [stepMs, graphMs, limitMs] = [meanStep(steps, median), meanStep(graphs, median), median(limits)];
    const shares = await profile(model, parameters, rule);
    const parts = { "products with weights": limitMs };
    for (const [part, share] of Object.entries(shares)) parts[part] = share * Math.max(0, graphMs - limitMs);
    parts["feeding, appending to caches"] = stepMs - graphMs;
    rows.push({ shape, model: MODELS[i], stepMs, limitMs, parts });
  }
}
console.log(JSON.stringify({ threads, prompt: PROMPT, tokens, rows }, null, 2));

/** One bar a row, shapes to a scale of their own: the dense model's step fills the width. */
function figure() {
  const [width, left, bar, gap] = [760, 110, 26, 40];
  const names = Object.keys(PARTS);
  const lines = rows.map((row, i) => {
    const scale = width / rows.find(({ shape, model }) => shape === row.shape && model === "dense").stepMs;
    const y = 60 + i * (bar + gap);
    let x = left;
    const boxes = names.map((name) => {
      const size = Math.max(0, row.parts[name]) * scale;
      const box = `<rect x="${x.toFixed(1)}" y="${y}" width="${size.toFixed(1)}" height="${bar}" fill="${PARTS[name]}"/>`;
      x += size;
      return box;
    });
    return `<text x="10" y="${y + 18}">${row.model} ${row.shape}</text>${boxes.join("")}
<text x="${left}" y="${y - 8}" class="s">${row.stepMs.toFixed(2)} ms a token; products with weights alone ${row.limitMs.toFixed(2)} ms</text>`;
  });
  const legend = names.map((name, i) => {
    const [x, y] = [left + (i % 3) * 255, 60 + rows.length * (bar + gap) + Math.floor(i / 3) * 20];
    return `<rect x="${x}" y="${y}" width="12" height="12" fill="${PARTS[name]}"/><text x="${x + 18}" y="${y + 11}" class="s">${name}</text>`;
  });
  const height = 60 + rows.length * (bar + gap) + 75;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 20}" height="${height}" font-family="DejaVu Sans" font-size="13">
<style>.s { font-size: 11px }</style><rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="22" font-size="15">Where the time of a token goes (one sequence, float32, ${threads} threads)</text>${lines.join("\n")}${legend.join("\n")}</svg>`;
}

if (values.figure) writeFileSync(values.figure, await svgToPng(figure()));
