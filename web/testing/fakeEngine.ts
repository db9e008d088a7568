/**
 * An engine that computes nothing: losses, routing and texts come from formulas. It shows and tests the pages that need an engine
 * without one. Runs inside the page; it must not refer to anything outside itself.
 */

import type { ModelSummary } from "../../src/ui/api.ts";
import type {
  Engine,
  Inspection,
  OpenModel,
  StoredRun,
  Training,
  TrainingEvent,
  TrainSettings,
} from "../app/engine.ts";

export interface FakeOptions {
  readonly webgpu?: boolean;
  /** Between two steps. */
  readonly stepMs?: number;
}

/** Puts the engine where the page looks for it. */
export function installFakeEngine({ webgpu = false, stepMs = 20 }: FakeOptions = {}): void {
  const layers = ["dense", "mod", "dense", "mod"];
  const summaryOf = ({ capacityRatio = 0.125, gate = "linear" }: Partial<TrainSettings>): ModelSummary => ({
    ...{ family: "mod", nLayer: 4, dModel: 64, seqLen: 64, vocabSize: 512, layers, capacityRatio, gate },
    ...{ rule: "predictor", rules: ["topk", "predictor", "auxiliary", "through", "around", "random"] },
  });
  /** Even noise between 0 and 1, the same for the same number. */
  const noise = (i: number) => Math.abs((Math.sin(i * 12.9898) * 43758.5453) % 1);

  const inspect = (text: string, rule: string, step: number): Inspection => {
    const tokens = ["<|endoftext|>", ...(text.match(/\s*\S{1,6}/g) ?? [])];
    const nats = tokens.map((_, i) => (i === 0 ? null : 1 + 5 * noise(i)));
    return {
      ...{ rule, tokens, lossNats: nats, entropyNats: nats, windows: [0] },
      layers: layers.map((kind, index) => {
        if (kind === "dense") return { index, kind, routedThrough: tokens.map(() => true) };
        const weights = tokens.map((_, i) => 4 * noise(i + 31 * index + step) - 3);
        const routedThrough = weights.map((r) => r > 0);
        return { index, kind, routedThrough, top: routedThrough, routerWeights: weights, predictorLogits: weights };
      }),
    };
  };

  const modelOf = (name: string): OpenModel => ({
    name,
    summary: summaryOf({}),
    inspect: async (text, rule = "predictor") => inspect(text, rule, 0),
    async *generate(_prompt, { tokens, signal }) {
      for (let i = 0; i < tokens && !signal.aborted; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield {
          ...{ text: ` word${i}`, logProbability: -1 - noise(i), atMs: 5 * i },
          routedLayers: noise(i) > 0.8 ? [1, 3] : noise(i) > 0.6 ? [1] : [],
          ...(i === tokens - 1 && { finish: "length" }),
        };
      }
    },
    close: async () => {},
  });

  const stored = new Map<string, StoredRun>();

  const trainingOf = (settings: Partial<TrainSettings> & { steps: number }, from = 0): Training => {
    const listeners = new Set<(event: TrainingEvent) => void>();
    const tell = (event: TrainingEvent) => listeners.forEach((listener) => void listener(event));
    const state = { step: from, isPaused: false, isOver: false };
    const record = (step: number) => ({
      losses: { lm: 2.4 + 4 * Math.exp(-step / 60) + 0.2 * noise(step), auxiliary: 0.2, predictor: 0.1, zLoss: 1 },
      routing: [
        {
          layer: 1,
          routerMean: -1,
          routerStd: 1,
          auxiliary: null,
          predictor: { accuracy: 1 - 0.4 * Math.exp(-step / 40), capacity: 0.125 + 0.2 * Math.exp(-step / 20) },
        },
      ],
      ...{ gradientNorm: 1, learningRate: 0.003, stepMs: 20, tokensPerSecond: 20_000 + 1000 * noise(step) },
      ...{ gflopsPerSecond: 20, tokens: 512 * step, flops: 5e8 * step },
    });
    const makeStep = () => {
      if (state.isOver) return;
      if (!state.isPaused) {
        const step = ++state.step;
        tell({ kind: "step", step, record: { kind: "step", step, ...record(step) } });
        if (step % 10 === 0) {
          const lossNats = 2.5 + 4 * Math.exp(-step / 60);
          const rule = { lossNats, bitsPerByte: lossNats / 2, capacityByLayer: [1, 0.125, 1, 0.125], accuracy: 0.9 };
          tell({
            kind: "evaluation",
            step,
            record: { kind: "evaluation", step, result: { rules: { topk: rule, predictor: rule } } },
          });
          tell({
            kind: "routing",
            step,
            inspection: inspect("My fellow citizens, the state of our Union is strong.", "predictor", step),
          });
        }
        if (step === settings.steps) {
          state.isOver = true;
          tell({ kind: "done", step });
        }
      }
      setTimeout(makeStep, stepMs);
    };
    setTimeout(() => {
      tell({ kind: "preparing", what: "Learning the vocabulary…" });
      setTimeout(() => {
        tell({ kind: "start", step: from, steps: settings.steps, summary: summaryOf(settings) });
        makeStep();
      }, 50);
    });
    const change = (change: Partial<typeof state>, kind: "paused" | "resumed" | "stopped") => async () => {
      Object.assign(state, change);
      tell({ kind, step: state.step });
    };
    return {
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      pause: change({ isPaused: true }, "paused"),
      resume: change({ isPaused: false }, "resumed"),
      stop: change({ isOver: true }, "stopped"),
      async save(name) {
        const run = {
          id: name,
          name,
          summary: summaryOf(settings),
          step: state.step,
          steps: settings.steps,
          bytes: 1_234_567,
          savedMs: Date.now(),
        };
        stored.set(name, run);
        return run;
      },
      download: async () => new Blob(["archive"]),
      snapshot: async () => modelOf("under way"),
    };
  };

  const engine: Engine = {
    devices: async () => ({ webgpu, webgpuProblem: webgpu ? null : "this browser has none.", wasmThreads: 2 }),
    openFiles: async (files) => {
      if (files.some(({ name }) => name === "bad.txt")) {
        throw new Error(
          "bad.txt must be part of a run folder, got text; choose config.json, tokenizer.json and the weights",
        );
      }
      return modelOf(files[0]!.name);
    },
    train: async (settings) => trainingOf(settings),
    stored: {
      list: async () => [...stored.values()],
      open: async (id) => modelOf(id),
      resume: async (id) => trainingOf({ steps: stored.get(id)!.steps! }, stored.get(id)!.step),
      remove: async (id) => void stored.delete(id),
      exportArchive: async () => new Blob(["archive"]),
      importArchive: async (_, name) => {
        const run = { id: name, name, summary: summaryOf({}), step: 10, steps: 100, bytes: 7, savedMs: Date.now() };
        stored.set(name, run);
        return run;
      },
    },
  };
  globalThis.modEngine = engine;
}
