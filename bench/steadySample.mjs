/**
 * What must hold beside speed while sampling: memory of keys and values, and of the process, over 40 completions of 256 tokens; and the
 * time to the first token of a 256-token prompt, dense and Mixture-of-Depths in turn. `node bench/steadySample.mjs [--shape 8x512]`.
 */
import { parseArgs } from "node:util";
import { modelConfig, sampleSettingsOf } from "../dist/bench/shapes.js";
import { median } from "../dist/bench/statistics.js";
import { nodeRuntime } from "../dist/index.js";
import { initialParameters } from "../dist/model/parameters.js";
import { Decoder } from "../dist/sample/decoder.js";

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "8x512" },
    threads: { type: "string", default: "2" },
    completions: { type: "string", default: "40" },
  },
});
const threads = Number(values.threads);
const PROMPT = 64;
const TOKENS = 256;
const LONG_PROMPT = 256;

const promptOf = (length, seed, vocabSize) => Int32Array.from({ length }, (_, i) => (37 * i + 11 * seed) % vocabSize);
const mib = (bytes) => bytes / 2 ** 20;

const decoders = {};
for (const model of ["dense", "mod"]) {
  const settings = sampleSettingsOf(values.shape, {
    ...{ model, batch: 1, prompt: PROMPT, tokens: TOKENS, threads, weights: "float32" },
  });
  const config = modelConfig(settings);
  const parameters = Object.fromEntries(
    [...initialParameters(config, 0)].map(([name, { shape, data }]) => [
      `value.${name}`,
      { dtype: "float32", shape, data },
    ]),
  );
  // By chance, as in mod bench sample: the nominal share of the tokens.
  const rule = model === "dense" ? "through" : "random";
  decoders[model] = {
    config,
    decoder: await Decoder.create(config, parameters, { rule, runtime: nodeRuntime({ threads }) }),
  };
}

const firstTokenMs = { dense: [], mod: [] };
for (let i = 0; i < 12; i++) {
  for (const [model, { config, decoder }] of Object.entries(decoders)) {
    const started = performance.now();
    await decoder.add(promptOf(LONG_PROMPT, i, config.vocabSize), { seed: 0, sequence: i });
    firstTokenMs[model].push(performance.now() - started);
    decoder.remove(0);
  }
}

const memory = { dense: [], mod: [] };
for (let i = 0; i < Number(values.completions); i++) {
  for (const [model, { config, decoder }] of Object.entries(decoders)) {
    await decoder.add(promptOf(PROMPT, i, config.vocabSize), { seed: 1, sequence: i });
    for (let step = 1; step < TOKENS; step++) await decoder.step(Int32Array.of((step * 13 + i) % config.vocabSize));
    memory[model].push({ kvMiB: mib(decoder.cacheBytes), residentMiB: mib(process.memoryUsage().rss) });
    decoder.remove(0);
  }
}
for (const { decoder } of Object.values(decoders)) await decoder.dispose();

const summary = (model) => {
  const kv = memory[model].map(({ kvMiB }) => kvMiB);
  const resident = memory[model].slice(5).map(({ residentMiB }) => residentMiB);
  return {
    firstTokenMs: { median: median(firstTokenMs[model].slice(2)), min: Math.min(...firstTokenMs[model]) },
    kvMiB: { least: Math.min(...kv), most: Math.max(...kv) },
    residentMiB: {
      after5: resident[0],
      least: Math.min(...resident),
      most: Math.max(...resident),
      last: resident.at(-1),
    },
  };
};
const [dense, mod] = [summary("dense"), summary("mod")];
const ratios = {
  kvModOverDense: mod.kvMiB.most / dense.kvMiB.most,
  firstTokenDenseOverMod: dense.firstTokenMs.median / mod.firstTokenMs.median,
};
console.log(JSON.stringify({ shape: values.shape, threads, dense, mod, ratios }, null, 2));
