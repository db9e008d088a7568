import { describe, expect, test } from "vitest";
import { expectClose } from "../graph/testing/gradientCheck.ts";
import type { AnyTensor, DeviceTensor, HostTensor, HostTensors, Runtime } from "../runtime/executor.ts";
import { randomBatch, runtime, tinyConfig, tinyModelOf, VARIANT_NAMES, type Variant } from "./testing/tinyRun.ts";
import { DivergedError, Trainer } from "./trainer.ts";
import { TrainingState } from "./trainingState.ts";

/** A tensor as a device has it: gone once it was given back, and the host's memory is not it. */
class FakeTensor implements DeviceTensor {
  readonly dtype: HostTensor["dtype"];
  readonly shape: readonly number[];
  #tensor: HostTensor | undefined;

  constructor(tensor: HostTensor) {
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.#tensor = { ...tensor, data: tensor.data.slice() };
    live.add(this);
  }

  get tensor(): HostTensor {
    if (this.#tensor === undefined) throw new Error("a tensor must be there to be used, got one that was given back");
    return this.#tensor;
  }

  async read(): Promise<HostTensor> {
    return { ...this.tensor, data: this.tensor.data.slice() };
  }

  dispose(): void {
    live.delete(this);
    this.#tensor = undefined;
  }
}

/** Tensors that were not given back. */
const live = new Set<FakeTensor>();

/** The CPU, as if it were a device with a memory of its own. */
const device: Runtime = {
  ...runtime,
  compileOnDevice: async (definition, isKept) => {
    const executor = await runtime.compile(definition);
    const host = (tensor: AnyTensor) => (tensor instanceof FakeTensor ? tensor.tensor : (tensor as HostTensor));
    return {
      run: async (feeds) => {
        const fed = Object.entries(feeds).map(([name, tensor]) => [name, host(tensor)] as const);
        const results = Object.entries(await executor.run(Object.fromEntries(fed) as HostTensors));
        const [stay, leave] = [true, false].map((kept) => results.filter(([name]) => isKept(name) === kept));
        return {
          host: Object.fromEntries(leave!),
          device: Object.fromEntries(stay!.map(([name, tensor]) => [name, new FakeTensor(tensor)])),
        };
      },
      dispose: () => executor.dispose(),
    };
  },
};

const settings = (accumulate: number) =>
  tinyConfig("dense", { train: { accumulate, optimizer: { clipNorm: 0.5 } } }).train;

/** Three steps, by two trainers after one another. */
async function train(variant: Variant, accumulate: number, on: Runtime) {
  const model = tinyModelOf(variant);
  const state = TrainingState.initial(model, 3);
  const results = [];
  for (const steps of [[1, 2], [3]]) {
    const trainer = await Trainer.create(model, settings(accumulate), 3, on);
    for (const step of steps) {
      const batches = Array.from({ length: accumulate }, (_, i) => randomBatch(model, 2, 10 * step + i));
      results.push(await trainer.step(state, batches, step, 1e-2));
    }
    await trainer.dispose();
  }
  return { results, state };
}

describe("a model trained in a device's memory is what it becomes on the host, and leaves no tensor there", () => {
  for (const accumulate of [1, 3]) {
    test.each(VARIANT_NAMES)(`%s, ${accumulate} batches to an update`, async (variant) => {
      const [there, here] = [await train(variant, accumulate, device), await train(variant, accumulate, runtime)];
      expect(live.size).toBe(0);
      for (const [i, result] of here.results.entries()) {
        const { losses, gradientNorm, predictorGradientNorm, routing } = there.results[i]!;
        expectClose(Object.values(losses), Object.values(result.losses), 1e-5, `losses of step ${i + 1}`);
        expect(gradientNorm / result.gradientNorm).toBeCloseTo(1, 4);
        expect(predictorGradientNorm === null).toBe(result.predictorGradientNorm === null);
        expect(routing.map(({ layer }) => layer)).toEqual(result.routing.map(({ layer }) => layer));
      }
      const weights = (state: TrainingState) => [...state.weights.values()].flatMap(({ data }) => [...data]);
      expectClose(weights(there.state), weights(here.state), 2e-4, "weights");
    });
  }
});

test("what is on the device is an error to read before it is fetched", async () => {
  const model = tinyModelOf("mod");
  const state = TrainingState.initial(model, 3);
  const trainer = await Trainer.create(model, settings(1), 3, device);
  await trainer.step(state, [randomBatch(model, 2)], 1, 1e-2);
  expect(() => state.values).toThrow("values must be fetched with syncValues()");
  expect(() => state.weights).toThrow("values must be fetched with syncValues()");
  await state.syncValues();
  expect(Object.keys(state.values)).toContain("value.embedding");
  expect(() => state.moments).toThrow("moments must be fetched with sync()");
  await state.sync();
  expect(state.moments.size).toBe(2 * state.weights.size);
  await trainer.dispose();
});

test("a loss that is not finite leaves the state on the device as it was", async () => {
  const model = tinyModelOf("mod");
  const state = TrainingState.initial(model, 3);
  const trainer = await Trainer.create(model, settings(1), 3, device);
  await trainer.step(state, [randomBatch(model, 2, 1)], 1, 1e30);
  await state.sync();
  const before = new Map([...state.weights].map(([name, { data }]) => [name, data.slice()]));
  await expect(trainer.step(state, [randomBatch(model, 2, 2)], 2, 1e-3)).rejects.toThrow(DivergedError);
  await state.sync();
  for (const [name, { data }] of state.weights) expect(data).toEqual(before.get(name));
  await trainer.dispose();
  expect(live.size).toBe(0);
});
