/**
 * Models of a study side by side: time of a training step and of a sampled token, in turn, on one thread as they were trained; loss,
 * forward FLOPs, and the time each takes to the worst one's final training loss. Prints one JSON document. Reads the trained weights from the
 * study's runs: `node bench/studyModels.mjs studies/isoflop 3e13-vanilla-4x96-s0 3e13-mod-4x128-s0 [--rounds 60] [--tokens 200]`.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { median } from "../dist/bench/statistics.js";
import { nodeRuntime, openSavedModel, Trainer, TrainingState } from "../dist/index.js";
import { chooseRule } from "../dist/sample/chooseRule.js";
import { Decoder } from "../dist/sample/decoder.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "60" }, tokens: { type: "string", default: "200" } },
});
const [study, ...ids] = positionals;
const [rounds, tokens] = [Number(values.rounds), Number(values.tokens)];
const runtime = nodeRuntime({ threads: 1 });

/** Points of the learning curve that one mean is over: training losses of single steps are noisy. */
const SMOOTHED = 5;

async function open(id) {
  const result = JSON.parse(readFileSync(path.join(study, "results", `${id}.json`), "utf8"));
  const saved = openSavedModel(path.join(study, "runs", id));
  const { model, config, parameters } = saved;
  const size = config.train.batchSize * model.seqLen;
  const ids = Int32Array.from({ length: size }, (_, i) => (i * 7919) % model.vocabSize);
  const batch = { batchSize: config.train.batchSize, seqLen: model.seqLen, tokens: ids, targets: ids };
  return {
    ...{ id, result, model, tokensAStep: size },
    batch: { ...batch, documents: new Int32Array(size) },
    trainer: await Trainer.create(model, config.train, 0, runtime),
    state: TrainingState.initial(model, 0),
    decoder: await Decoder.create(model, parameters, { rule: chooseRule(saved), runtime }),
    ...{ stepMs: [], tokenMs: [] },
  };
}

async function timed(into, work) {
  const started = performance.now();
  await work();
  into.push(performance.now() - started);
}

/** Ms a token, over a text that the model goes on with. */
async function sample({ decoder, model, tokenMs }) {
  let { logits } = await decoder.add([model.vocabSize - 1]);
  const started = performance.now();
  const count = Math.min(tokens, model.seqLen - 1);
  for (let i = 0; i < count; i++) {
    const likely = logits.reduce((best, value, id) => (value > logits[best] ? id : best), 0);
    ({ logits } = await decoder.step(Int32Array.of(likely)));
  }
  tokenMs.push((performance.now() - started) / count);
  decoder.remove(0);
}

const models = [];
for (const id of ids) models.push(await open(id));
for (let round = 1; round <= rounds; round++) {
  for (const each of models) {
    // The first is not counted: the caches hold what the model before left there.
    await each.trainer.step(each.state, [each.batch], 2 * round - 1, 1e-4);
    await timed(each.stepMs, () => each.trainer.step(each.state, [each.batch], 2 * round, 1e-4));
  }
  if (round % 6 === 0) for (const each of models) await sample(each);
}
for (const { trainer, decoder } of models) await Promise.all([trainer.dispose(), decoder.dispose()]);

const smoothed = ({ result: { curve } }) =>
  curve.map(({ step }, i) => {
    const near = curve.slice(Math.max(0, i - SMOOTHED + 1), i + 1);
    return { step, lossNats: near.reduce((sum, { lossNats }) => sum + lossNats, 0) / near.length };
  });
const target = Math.max(...models.map((each) => smoothed(each).at(-1).lossNats));

console.log(
  JSON.stringify(
    {
      machine: { cpu: cpus()[0].model, cores: cpus().length },
      node: process.version,
      ...{ threads: 1, rounds, study },
      targetLossNats: target,
      models: models.map((each) => {
        const { id, result, tokensAStep, stepMs, tokenMs } = each;
        const ms = median(stepMs);
        const reached = smoothed(each).find(({ lossNats }) => lossNats <= target).step;
        return {
          ...{ id, lossNats: result.lossNats, bitsPerByte: result.bitsPerByte, parameters: result.parameters },
          ...{ forwardFlopsPerToken: result.forwardFlopsPerToken, steps: result.steps },
          ...{ stepMs: ms, trainTokensPerSecond: (1000 * tokensAStep) / ms },
          ...{ secondsInAll: (result.steps * ms) / 1000, secondsToTarget: (reached * ms) / 1000 },
          sampledTokensPerSecond: 1000 / median(tokenMs),
        };
      }),
    },
    null,
    2,
  ),
);
