import { describe, expect, test } from "vitest";
import type { TrainConfig } from "../config/runConfig.ts";
import type { Batch } from "../data/batch.ts";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import { type ModelConfig, type ModelInput, modelSchema } from "../model/config.ts";
import { initialParameters } from "../model/parameters.ts";
import type { NamedArrays } from "../notation.ts";
import {
  type RunChange,
  randomBatch,
  runtime,
  tinyConfig,
  tinyModelOf,
  VARIANT_NAMES,
  VARIANTS,
} from "./testing/tinyRun.ts";
import { DivergedError, type StepResult, Trainer } from "./trainer.ts";
import { TrainingState } from "./trainingState.ts";

const SEED = 11;

const settings = (change: RunChange["train"] = {}): TrainConfig => tinyConfig("dense", { train: change }).train;

interface Session {
  readonly state: TrainingState;
  readonly results: readonly StepResult[];
}

/** Trains a new state for some steps on batches that `batchesOf` gives. */
async function trainSteps(
  model: ModelConfig,
  train: TrainConfig,
  steps: number,
  batchesOf: (step: number) => readonly Batch[],
  { rate = 1e-3, until = (_: StepResult): boolean => false } = {},
): Promise<Session> {
  const trainer = await Trainer.create(model, train, SEED, runtime);
  const state = TrainingState.initial(model, SEED);
  const results: StepResult[] = [];
  for (let step = 1; step <= steps; step++) {
    results.push(await trainer.step(state, batchesOf(step), step, rate));
    if (until(results.at(-1)!)) break;
  }
  await trainer.dispose();
  return { state, results };
}

const copyOf = (arrays: NamedArrays) => Object.fromEntries([...arrays].map(([name, { data }]) => [name, [...data]]));
const copyOfState = (state: TrainingState) => ({ ...copyOf(state.weights), ...copyOf(state.moments) });

describe("initial loss is ln V, within 0.02", () => {
  test.each(VARIANT_NAMES)("%s", async (variant) => {
    const model = tinyModelOf(variant);
    const { results } = await trainSteps(model, settings({ batchSize: 16 }), 1, () => [randomBatch(model, 16)]);
    expect(Math.abs(results[0]!.losses.lm - Math.log(257))).toBeLessThan(0.02);
  });
});

describe("one batch of random ids is learnt by heart: loss < 0.1 within 400 steps", () => {
  test.each(VARIANT_NAMES)("%s", async (variant) => {
    const model = tinyModelOf(variant, { dModel: 32 });
    const batch = randomBatch(model, 2);
    const { results } = await trainSteps(model, settings(), 400, () => [batch], {
      rate: 1e-2,
      until: ({ losses }) => losses.lm < 0.1,
    });
    expect(results.at(-1)!.losses.lm).toBeLessThan(0.1);
  });
});

/** The rows of a batch as two batches of half the size. */
function halves({ batchSize, seqLen, tokens, targets, documents }: Batch): Batch[] {
  const half = batchSize / 2;
  return [0, 1].map((i) => {
    const cut = (ids: Int32Array) => ids.slice(i * half * seqLen, (i + 1) * half * seqLen);
    return { batchSize: half, seqLen, tokens: cut(tokens), targets: cut(targets), documents: cut(documents) };
  });
}

describe("two accumulated half batches are one whole batch: moments to 1e-6, losses to 1e-5, weights to a hundredth of the step", () => {
  test.each(VARIANT_NAMES)("%s", async (variant) => {
    const model = tinyModelOf(variant);
    const batch = randomBatch(model, 4);
    const rate = 1e-3;
    const whole = await trainSteps(model, settings({ batchSize: 4 }), 1, () => [batch], { rate });
    const parts = await trainSteps(model, settings({ batchSize: 2, accumulate: 2 }), 1, () => halves(batch), { rate });
    for (const [name, { data }] of whole.state.moments)
      expectClose(parts.state.moments.get(name)!.data, data, 1e-6, name);
    for (const [name, { data }] of whole.state.weights)
      expectClose(parts.state.weights.get(name)!.data, data, rate / 100, name);
    const numbers = ({ results: [result] }: Session) => [...Object.values(result!.losses), result!.gradientNorm];
    expectClose(numbers(parts), numbers(whole), 1e-5, "losses and norm");
  });
});

describe("same seed, same losses and weights, bit for bit, in two fresh trainers", () => {
  test.each(VARIANT_NAMES)("%s", async (variant) => {
    const model = tinyModelOf(variant);
    const run = () => trainSteps(model, settings(), 5, (step) => [randomBatch(model, 2, step)]);
    const [a, b] = [await run(), await run()];
    expect(b.results).toEqual(a.results);
    expect(copyOfState(b.state)).toEqual(copyOfState(a.state));
  });
});

test("random routing draws anew in every step: the same batch at another step has another loss", async () => {
  const model = tinyModelOf("random");
  const batch = randomBatch(model, 2);
  const trainer = await Trainer.create(model, settings(), SEED, runtime);
  const lossAt = async (step: number) =>
    (await trainer.step(TrainingState.initial(model, SEED), [batch], step, 1e-9)).losses.lm;
  expect(await lossAt(2)).not.toBe(await lossAt(1));
  expect(await lossAt(2)).toBe(await lossAt(2));
  await trainer.dispose();
});

describe("a predictor", () => {
  const clipNorm = 0.02;
  const modelWith = (predictor: { width: number } | null): ModelConfig =>
    modelSchema.parse({
      ...tinyModelOf("mod"),
      routing: { ...VARIANTS.mod.routing, predictor },
    } as ModelInput);
  const isPredictor = (name: string) => name.includes(".predictor.");

  test("leaves the language model's updates bit-identical over five clipped steps", async () => {
    const train = settings({ optimizer: { clipNorm } });
    const run = (model: ModelConfig) => trainSteps(model, train, 5, (step) => [randomBatch(model, 2, step)]);
    const [without, having] = [await run(modelWith(null)), await run(modelWith({ width: 8 }))];
    for (const { gradientNorm, predictorGradientNorm } of having.results) {
      expect(gradientNorm).toBeGreaterThan(clipNorm);
      expect(predictorGradientNorm).toBeGreaterThan(clipNorm);
    }
    expect(without.results.map(({ predictorGradientNorm }) => predictorGradientNorm)).toEqual(Array(5).fill(null));
    const shared = Object.entries(copyOfState(having.state)).filter(([name]) => !isPredictor(name));
    expect(Object.fromEntries(shared)).toEqual(copyOfState(without.state));
    const measured = ({ results }: Session) => results.map(({ losses, gradientNorm }) => [losses.lm, gradientNorm]);
    expect(measured(having)).toEqual(measured(without));
  });

  test("starts from random streams of its own: all other parameters start as without it", () => {
    const [without, having] = [modelWith(null), modelWith({ width: 8 })].map((model) => initialParameters(model, SEED));
    const shared = [...having!].filter(([name]) => !isPredictor(name));
    expect(copyOf(new Map(shared))).toEqual(copyOf(without!));
    expect(having!.size).toBeGreaterThan(without!.size);
  });

  test("of each layer starts from other values", () => {
    const model = modelSchema.parse({ ...modelWith({ width: 8 }), nLayer: 4 });
    const parameters = initialParameters(model, SEED);
    const hidden = [1, 3].map((layer) => [...parameters.get(`layers.${layer}.predictor.hidden`)!.data]);
    expect(hidden[0]).not.toEqual(hidden[1]);
  });
});

describe("a loss that is not finite throws DivergedError and leaves the state untouched", () => {
  test.each([1, 2])("a parameter that is NaN, accumulate %i", async (accumulate) => {
    for (const variant of VARIANT_NAMES) {
      const model = tinyModelOf(variant);
      const trainer = await Trainer.create(model, settings({ accumulate }), SEED, runtime);
      const state = TrainingState.initial(model, SEED);
      state.weights.get("layers.1.attention.output")!.data.fill(Number.NaN);
      const before = copyOfState(state);
      const batches = Array.from({ length: accumulate }, (_, i) => randomBatch(model, 2, i));
      await expect(trainer.step(state, batches, 1, 1e-3)).rejects.toThrow(DivergedError);
      expect(copyOfState(state)).toEqual(before);
      await trainer.dispose();
    }
  });

  test("a predictor's parameter that is infinite", async () => {
    const model = tinyModelOf("mod");
    const trainer = await Trainer.create(model, settings(), SEED, runtime);
    const state = TrainingState.initial(model, SEED);
    state.weights.get("layers.1.predictor.outputBias")!.data.fill(Number.POSITIVE_INFINITY);
    await expect(trainer.step(state, [randomBatch(model, 2)], 1, 1e-3)).rejects.toThrow(DivergedError);
    await trainer.dispose();
  });

  test("an absurd learning rate, named in the message with the step", async () => {
    const model = tinyModelOf("mod");
    const trainer = await Trainer.create(model, settings(), SEED, runtime);
    const state = TrainingState.initial(model, SEED);
    await trainer.step(state, [randomBatch(model, 2)], 1, 1e30);
    const before = copyOfState(state);
    await expect(trainer.step(state, [randomBatch(model, 2)], 2, 1e30)).rejects.toThrow(
      /must be finite, got .* at step 2 \(learning rate 1.00e\+30\); lower train.learningRate.peak/,
    );
    expect(copyOfState(state)).toEqual(before);
    await trainer.dispose();
  });
});

test("a state refuses parameters of other shapes, naming the first", () => {
  const model = tinyModelOf("dense");
  const weights = initialParameters(tinyModelOf("dense", { dModel: 8 }), SEED);
  expect(() => TrainingState.from(model, weights, new Map())).toThrow(
    'TrainingState: parameter "embedding" must have shape [257, 16], got [257, 8]',
  );
});
