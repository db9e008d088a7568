/**
 * Training steps in a browser, on WebAssembly: this package, dense and Mixture-of-Depths, and the dense model in jax-js and
 * TensorFlow.js, where those are installed (`npm ci --prefix bench/peers/browser`). Engines take turns; prints one JSON document.
 * The engines decode and decode-mod sample instead, a token a step.
 *
 *     node bench/browser.mjs [--shape small] [--threads 2] [--steps 5] [--rounds 3] [--engines ours,ours-mod,jax-js,tfjs]
 *     node bench/browser.mjs --shape 8x256 --threads 1 --steps 150 --engines decode,decode-mod
 *     node bench/browser.mjs --check      # losses of all engines on a tiny model must agree
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build, defaultClientConditions } from "vite";
import { median } from "../dist/bench/statistics.js";
import { modelSchema } from "../dist/index.js";
import { currentCommit, describeMachine } from "../dist/run/provenance.js";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "small" },
    threads: { type: "string", default: "2" },
    steps: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    engines: { type: "string", default: "ours,ours-mod,jax-js,tfjs" },
    check: { type: "boolean", default: false },
  },
});

const SHAPES = {
  tiny: { batchSize: 2, model: { seqLen: 32, nLayer: 2, dModel: 32, nHead: 2, vocabSize: 64 } },
  small: { batchSize: 8, model: { seqLen: 256, nLayer: 6, dModel: 192, nHead: 3, vocabSize: 2048 } },
  "8x256": { batchSize: 8, model: { seqLen: 256, nLayer: 8, dModel: 256, nHead: 4, vocabSize: 4096 } },
};
const MOD = { pattern: ["dense", "mod"], routing: { kind: "learned" } };

/** Browsers compile WebAssembly well only once it has run for a while. */
const DECODING = { tokensAStep: 1, warm: 400 };

const here = import.meta.dirname;
const peers = path.join(here, "peers/browser");
const ENGINES = {
  ours: { script: path.join(here, "browser/ours.ts"), needs: undefined, change: {} },
  "ours-mod": { script: path.join(here, "browser/ours.ts"), needs: undefined, change: MOD },
  decode: { script: path.join(here, "browser/decode.ts"), needs: undefined, change: {}, ...DECODING },
  "decode-mod": { script: path.join(here, "browser/decode.ts"), needs: undefined, change: MOD, ...DECODING },
  "jax-js": { script: path.join(peers, "jaxStep.ts"), needs: "@jax-js/jax", change: {} },
  tfjs: { script: path.join(peers, "tfjsStep.ts"), needs: "@tensorflow/tfjs-backend-wasm", change: {} },
};
const TFJS_FILES = ["", "-simd", "-threaded-simd"].map((kind) => `tfjs-backend-wasm${kind}.wasm`);
const ORT_FILES = ["mjs", "wasm"].map((ending) => `ort-wasm-simd-threaded.${ending}`);

const isInstalled = ({ needs }) => needs === undefined || existsSync(path.join(peers, "node_modules", needs));
const asked = values.engines.split(",").map((name) => {
  if (ENGINES[name] === undefined)
    throw new Error(`--engines: there are ${Object.keys(ENGINES).join(", ")}, got ${name}`);
  return name;
});
const engines = asked.filter((name) => isInstalled(ENGINES[name]));
const missing = asked.filter((name) => !engines.includes(name));

/** Builds the scripts of the workers, and returns the folder that they are in. */
async function buildScripts() {
  const dir = mkdtempSync(path.join(tmpdir(), "mod-browser-bench-"));
  await build({
    configFile: false,
    root: here,
    base: "./",
    logLevel: "error",
    resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
    worker: { format: "es" },
    build: {
      outDir: dir,
      emptyOutDir: true,
      target: "es2023",
      // jax-js sends the source of its functions to its workers, whose names must stay.
      minify: false,
      modulePreload: false,
      rolldownOptions: {
        input: Object.fromEntries(engines.map((name) => [name, ENGINES[name].script])),
        output: { entryFileNames: "[name].js" },
      },
    },
  });
  return dir;
}

const PAGE = `<!doctype html><title>bench</title><link rel="icon" href="data:,"><script>
globalThis.measure = (script, question) => new Promise((resolve, reject) => {
  const worker = new Worker(script, { type: "module" });
  worker.onmessage = ({ data }) => { worker.terminate(); data.error ? reject(new Error(data.error)) : resolve(data); };
  worker.onerror = ({ message }) => reject(new Error(message || "the script did not load"));
  worker.postMessage({ ...question, assets: new URL("assets/", location.href).href });
});
</script>`;

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** Where a file of the site lies. */
function fileOf(dir, name) {
  const base = path.posix.basename(name);
  if (ORT_FILES.includes(base)) return path.join(here, "../node_modules/onnxruntime-web/dist", base);
  if (TFJS_FILES.includes(base)) return path.join(peers, "node_modules/@tensorflow/tfjs-backend-wasm/dist", base);
  return path.join(dir, path.normalize(name));
}

function serve(dir) {
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://bench").pathname;
    const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
    if (name === "/") return response.writeHead(200, { ...headers, "Content-Type": "text/html" }).end(PAGE);
    const file = fileOf(dir, name);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { ...headers, "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" });
    return response.end(readFileSync(file));
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** One engine's answer, in a page of its own. */
async function measure(browser, address, name, { batchSize, model }, run) {
  const page = await browser.newPage();
  page.on("console", (message) => process.stderr.write(`${name}: ${message.text()}\n`));
  try {
    await page.goto(address);
    const question = { batchSize, model: modelSchema.parse({ ...model, ...ENGINES[name].change }), ...run };
    return await page.evaluate(([script, asked]) => globalThis.measure(script, asked), [`./${name}.js`, question]);
  } finally {
    await page.close();
  }
}

/** Losses of the engines, which must be those of the first. */
async function check(browser, address) {
  const run = { threads: Number(values.threads), warm: 0, steps: 4 };
  const dense = engines.filter((name) => ENGINES[name].change !== MOD && ENGINES[name].tokensAStep === undefined);
  const losses = {};
  for (const name of dense) losses[name] = (await measure(browser, address, name, SHAPES.tiny, run)).losses;
  const expected = losses[dense[0]];
  for (const [name, found] of Object.entries(losses)) {
    const worst = Math.max(...found.map((loss, i) => Math.abs(loss - expected[i])));
    if (!(worst < 1e-3))
      throw new Error(`check: ${name} must have the losses of ${dense[0]}, got ${found} for ${expected}`);
  }
  return { losses, missing };
}

async function time(browser, address) {
  const shape = SHAPES[values.shape];
  const run = { threads: Number(values.threads), steps: Number(values.steps) };
  const rows = engines.map((engine) => ({ engine, stepMs: [] }));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const row of rows) {
      const warm = ENGINES[row.engine].warm ?? 2;
      const { version, threads, losses, stepMs } = await measure(browser, address, row.engine, shape, { ...run, warm });
      Object.assign(row, { version, threads, losses: [losses[0], losses.at(-1)] });
      row.stepMs.push(...stepMs);
    }
  }
  return rows.map(({ stepMs, ...row }) => {
    const middle = median(stepMs);
    const tokens = ENGINES[row.engine].tokensAStep ?? shape.batchSize * shape.model.seqLen;
    return { ...row, stepMs: { median: middle, min: Math.min(...stepMs) }, tokensPerSecond: (1000 * tokens) / middle };
  });
}

const machine = describeMachine();
const dir = await buildScripts();
const server = await serve(dir);
const browser = await chromium.launch({
  executablePath: process.env.MOD_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const address = `http://127.0.0.1:${server.address().port}/`;
  const result = values.check
    ? await check(browser, address)
    : { shape: values.shape, missing, rows: await time(browser, address) };
  const about = { machine, browser: browser.version(), commit: currentCommit() };
  console.log(JSON.stringify({ ...about, ...result }, null, 2));
} finally {
  await browser.close();
  server.close();
  rmSync(dir, { recursive: true, force: true });
}
