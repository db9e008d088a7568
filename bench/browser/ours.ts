/** The worker that measures this package. */
import { modelSchema, resolveConfig, Trainer, TrainingState, type WebWorker, webRuntime } from "../../src/browser.ts";
import { answerWith, OPTIMIZER, SEED, tokensOf } from "./protocol.ts";

answerWith(async (question) => {
  const { batchSize, threads, assets } = question;
  const model = modelSchema.parse(question.model);
  const runtime = await webRuntime({
    threads,
    assets,
    startScript: () =>
      new Worker(new URL("../../web/engine/replica.ts", import.meta.url), { type: "module" }) as WebWorker,
  });
  const { train } = resolveConfig({ model, train: { batchSize, horizon: { kind: "steps", steps: 1 } } });
  const trainer = await Trainer.create(model, train, SEED, runtime);
  const state = TrainingState.initial(model, SEED);
  const tokens = tokensOf(question);
  const batch = {
    batchSize,
    seqLen: model.seqLen,
    tokens,
    targets: tokens,
    documents: new Int32Array(tokens.length),
  };
  return {
    version: "0.1.0",
    threads: runtime.threads,
    step: async (step) => (await trainer.step(state, [batch], step, OPTIMIZER.rate)).losses.lm,
  };
});
