import { resolveConfig } from "../../config/runConfig.ts";
import { modelSchema } from "../../model/config.ts";
import { nodeRuntime } from "../../runtime/node.ts";
import { Trainer } from "../trainer.ts";
import { TrainingState } from "../trainingState.ts";

/**
 * Trains a model on random ids by as many replicas as `threads`, and prints losses, norms and a checksum of all parameters and
 * moments as one line of JSON. Run from built sources every replica has a thread of its own, from TypeScript none has.
 */
export async function trainReplicas(threads: number, accumulate: number) {
  const model = modelSchema.parse({
    ...{ vocabSize: 97, seqLen: 16, nLayer: 2, dModel: 16, nHead: 2 },
    ...{ pattern: ["dense", "mod"], routing: { kind: "learned", capacityRatio: 0.25, predictor: { width: 8 } } },
  });
  const { train } = resolveConfig({ model, train: { batchSize: 4, accumulate, horizon: { kind: "steps", steps: 3 } } });
  const state = TrainingState.initial(model, 0);
  const ids = (seed: number) => Int32Array.from({ length: 64 }, (_, i) => (i * i * 31 + i * seed) % model.vocabSize);
  const batches = Array.from({ length: accumulate }, (_, i) => {
    return { batchSize: 4, seqLen: 16, tokens: ids(7 + i), targets: ids(11 + i), documents: new Int32Array(64) };
  });
  const results: unknown[] = [];
  // Two trainers after one another: the second goes on from what the first leaves.
  for (const steps of [[1, 2], [3]]) {
    const trainer = await Trainer.create(model, train, 0, { ...nodeRuntime({ threads: 1 }), threads });
    for (const step of steps) results.push(await trainer.step(state, batches, step, 1e-2));
    await trainer.dispose();
  }
  const arrays = [...state.weights, ...state.moments];
  return { results, state: Object.fromEntries(arrays.map(([name, { data }]) => [name, [...data]])) };
}

if (process.argv[2] === "replicas") {
  console.log(JSON.stringify(await trainReplicas(Number(process.argv[3]), Number(process.argv[4]))));
}
