/**
 * Where the time of a training step goes: profiles one replica (one thread) and times the rest of the step with all, prints one
 * JSON document and draws it to docs/figures/step.png. `node bench/where.mjs [--steps 6] [--figure docs/figures/step.png]`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { modelConfig, settingsOf } from "../dist/bench/shapes.js";
import { median } from "../dist/bench/statistics.js";
import { countFlops, input, matmul } from "../dist/graph/index.js";
import { nodeRuntime, resolveConfig, Trainer, TrainingState } from "../dist/index.js";
import { svgToPng } from "../dist/render/png.js";
import { gradientGraph } from "../dist/train/graphs.js";
import { sharesOf } from "../dist/train/replicaGroup.js";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "6" },
    threads: { type: "string", default: "2" },
    figure: { type: "string" },
  },
});
const [steps, threads] = [Number(values.steps), Number(values.threads)];
const LIMIT_SIZE = 2048;

const f32 = (shape) => ({ dtype: "float32", shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
const ids = (shape) => ({
  dtype: "int32",
  shape,
  data: Int32Array.from({ length: shape[0] * shape[1] }, (_, i) => i % 4096),
});

/** GFLOP/s of one large matrix product on one thread: what a replica could reach at most. */
async function limit() {
  const shape = [LIMIT_SIZE, LIMIT_SIZE];
  const [a, b] = [input("float32", shape), input("float32", shape)];
  const executor = await nodeRuntime({ threads: 1 }).compile({
    name: "limit",
    inputs: { a, b },
    outputs: { y: matmul(a, b) },
  });
  const [feeds, into] = [{ a: f32(shape), b: f32(shape) }, { y: f32(shape) }];
  for (const tensor of Object.values(feeds)) tensor.data.set(tensor.data.map((_, i) => Math.sin(i)));
  const times = [];
  for (let i = 0; i < 10; i++) {
    const started = performance.now();
    await executor.run(feeds, into);
    times.push(performance.now() - started);
  }
  await executor.dispose();
  return (2 * LIMIT_SIZE ** 3) / Math.min(...times) / 1e6;
}

const PARTS = ["attention", "head", "projections and MLP", "norms", "elementwise", "layout", "routing and embedding"];

/** What an operator of the profile belongs to. */
function partOf({ op_name: op, input_type_shape: inputs }, { vocabSize }) {
  const shapes = inputs.map((entry) => Object.values(entry)[0]);
  const has = (size) => shapes.some((shape) => shape.includes(size));
  if (/MatMul|Gemm/.test(op)) {
    if (shapes.some((shape) => shape.length === 4)) return "attention";
    if (has(vocabSize)) return "head";
    return shapes.some((shape) => shape.slice(-2).includes(1)) ? "norms" : "projections and MLP";
  }
  if (/Softmax|ReduceMax/.test(op)) return has(vocabSize) ? "head" : "attention";
  if (/LayerNorm|ReduceSumSquare/.test(op)) return "norms";
  if (/Gather|Scatter|TopK|Where|Equal|Greater|And/.test(op))
    return has(vocabSize) && /Elements/.test(op) ? "head" : "routing and embedding";
  if (/Transpose|Split|Concat|Slice|Reshape|Expand|Rotary/.test(op)) return "layout";
  return "elementwise";
}

/** Milliseconds of each part in one replica's forward and backward pass. */
async function profile(model, rows) {
  const folder = mkdtempSync(path.join(tmpdir(), "mod-profile-"));
  const graph = gradientGraph(model, rows);
  const executor = await nodeRuntime({ threads: 1, profilePrefix: path.join(folder, "p") }).compile(graph);
  const shape = [rows, model.seqLen];
  const feeds = {
    ...TrainingState.initial(model, 0).tensors,
    tokens: ids(shape),
    targets: ids(shape),
    documents: { ...ids(shape), data: new Int32Array(rows * model.seqLen) },
  };
  const into = Object.fromEntries(
    Object.entries(graph.outputs).flatMap(([key, tensor]) =>
      key.startsWith("next.") ? [[key, f32(tensor.shape)]] : [],
    ),
  );
  for (let i = 0; i < steps + 2; i++) await executor.run(feeds, into);
  await executor.dispose();
  const events = JSON.parse(readFileSync(path.join(folder, readdirSync(folder)[0]), "utf8"));
  rmSync(folder, { recursive: true });
  const kernels = events.filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"));
  const perRun = kernels.length / (steps + 2);
  const runs = Array.from({ length: steps }, (_, i) => kernels.slice((i + 2) * perRun, (i + 3) * perRun));
  const parts = Object.fromEntries(PARTS.map((part) => [part, 0]));
  for (let place = 0; place < perRun; place++) {
    parts[partOf(runs[0][place].args, model)] += median(runs.map((run) => run[place].dur)) / 1000;
  }
  return { nodes: perRun, parts, computedFlops: countFlops(Object.values(graph.outputs)) };
}

/** Medians of a step and of its forward and backward pass, all replicas at work. */
async function time(model, batchSize) {
  const { train } = resolveConfig({ model, train: { batchSize, horizon: { kind: "steps", steps } } });
  const trainer = await Trainer.create(model, train, 0, nodeRuntime({ threads }));
  const state = TrainingState.initial(model, 0);
  const shape = [batchSize, model.seqLen];
  const batch = {
    batchSize,
    seqLen: model.seqLen,
    tokens: ids(shape).data,
    targets: ids(shape).data,
    documents: new Int32Array(batchSize * model.seqLen),
  };
  const times = { step: [], forwardBackward: [] };
  for (let step = 1; step <= steps + 2; step++) {
    let started = performance.now();
    await trainer.step(state, [batch], step, 1e-3);
    times.step.push(performance.now() - started);
    started = performance.now();
    await trainer.forwardBackward(state, [batch], step);
    times.forwardBackward.push(performance.now() - started);
  }
  await trainer.dispose();
  return { stepMs: median(times.step.slice(2)), forwardBackwardMs: median(times.forwardBackward.slice(2)) };
}

const limitGflops = await limit();
const rows = [];
for (const shape of ["8x256", "8x512"]) {
  for (const name of ["dense", "mod"]) {
    const { batch } = settingsOf(shape, name, threads);
    const model = modelConfig(settingsOf(shape, name, threads));
    const { replicas } = sharesOf(batch, threads);
    const { nodes, parts, computedFlops } = await profile(model, batch / replicas);
    const { stepMs, forwardBackwardMs } = await time(model, batch);
    const kernelsMs = Object.values(parts).reduce((a, b) => a + b);
    const limitMs = computedFlops / limitGflops / 1e6;
    rows.push({ shape, model: name, nodes, parts, kernelsMs, limitMs, forwardBackwardMs, stepMs });
  }
}
console.log(JSON.stringify({ limitGflopsPerThread: limitGflops, threads, rows }, null, 2));

const COLORS = ["#4c78a8", "#72a0cc", "#9ecae9", "#f58518", "#ffbf79", "#b279a2", "#54a24b", "#bab0ac", "#e45756"];

/** One bar a row, as wide as its step; a line where its products alone would end at the limit. */
function figure() {
  const [width, left, bar, gap] = [760, 110, 26, 40];
  const names = [...PARTS, "between operators and replicas", "sum and update"];
  const lines = rows.map((row, i) => {
    const scale = width / row.stepMs;
    const y = 60 + i * (bar + gap);
    const segments = [
      ...PARTS.map((part) => row.parts[part]),
      row.forwardBackwardMs - row.kernelsMs,
      row.stepMs - row.forwardBackwardMs,
    ];
    let x = left;
    const boxes = segments.map((ms, j) => {
      const box = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0, ms * scale).toFixed(1)}" height="${bar}" fill="${COLORS[j]}"/>`;
      x += Math.max(0, ms * scale);
      return box;
    });
    const end = left + row.limitMs * scale;
    return `<text x="10" y="${y + 18}">${row.model} ${row.shape}</text>${boxes.join("")}
<line x1="${end}" x2="${end}" y1="${y - 5}" y2="${y + bar + 5}" stroke="#000" stroke-width="2"/>
<text x="${left + width}" y="${y - 6}" text-anchor="end" class="s">step ${row.stepMs.toFixed(0)} ms; products at the limit ${row.limitMs.toFixed(0)} ms</text>`;
  });
  const legend = names.map((name, i) => {
    const [x, y] = [left + (i % 3) * 255, 60 + rows.length * (bar + gap) + Math.floor(i / 3) * 20];
    return `<rect x="${x}" y="${y}" width="12" height="12" fill="${COLORS[i]}"/><text x="${x + 18}" y="${y + 11}" class="s">${name}</text>`;
  });
  const height = 60 + rows.length * (bar + gap) + 75;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 20}" height="${height}" font-family="DejaVu Sans" font-size="13">
<style>.s { font-size: 11px }</style><rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="22" font-size="15">Where the time of a training step goes; each bar is one step</text>${lines.join("\n")}${legend.join("\n")}</svg>`;
}

if (values.figure) writeFileSync(values.figure, await svgToPng(figure()));
