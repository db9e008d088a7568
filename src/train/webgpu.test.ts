import { describe, test } from "vitest";
import { resolveConfig } from "../config/runConfig.ts";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import type { ModelConfig } from "../model/config.ts";
import { someTokens, tinyDense, tinyMod, tinyMode, tinyMoe, tinyRandom } from "../model/testing/tinyModel.ts";
import type { Provider } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { hasWebGpu } from "../runtime/testing/webgpu.ts";
import { Trainer } from "./trainer.ts";
import { TrainingState } from "./trainingState.ts";

const STEPS = 3;

/** Losses and gradient norms of a few steps on one batch. */
async function losses(model: ModelConfig, provider: Provider): Promise<number[]> {
  const { train } = resolveConfig({ model, train: { batchSize: 2, horizon: { kind: "steps", steps: STEPS } } });
  const trainer = await Trainer.create(model, train, 0, nodeRuntime({ provider }));
  const state = TrainingState.initial(model, 1);
  const tokens = someTokens(2, model.seqLen, model.vocabSize);
  const targets = someTokens(2, model.seqLen, model.vocabSize, 3);
  const batch = { batchSize: 2, seqLen: model.seqLen, tokens, targets, documents: new Int32Array(tokens.length) };
  const measured = [];
  for (let step = 1; step <= STEPS; step++) {
    const { losses: parts, gradientNorm } = await trainer.step(state, [batch], step, 1e-2);
    measured.push(...Object.values(parts), gradientNorm);
  }
  await trainer.dispose();
  return measured;
}

describe.skipIf(!(await hasWebGpu()))("the same train step on WebGPU and on the CPU (needs WebGPU)", () => {
  for (const [name, model] of Object.entries({
    dense: tinyDense({ mlp: "swiglu", nHead: 4, nKvHead: 2 }),
    mod: tinyMod(),
    random: tinyRandom("linear"),
    "integrated mode": tinyMoe({ noOps: 2 }),
    "staged mode, expert choice": tinyMode({ choice: "expert" }),
  })) {
    test(name, async () => {
      expectClose(await losses(model, "webgpu"), await losses(model, "cpu"), 1e-4, "losses and norms");
    }, 120_000);
  }
});
