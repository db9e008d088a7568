import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type RunConfig, type RunInput, resolveConfig } from "../../config/runConfig.ts";
import type { Batch } from "../../data/batch.ts";
import type { PreparedData } from "../../data/openData.ts";
import { prepareData } from "../../data/prepare.ts";
import type { ModelConfig, ModelInput } from "../../model/config.ts";
import { uniform } from "../../random.ts";
import type { JsonObject } from "../../run/json.ts";
import { createRun } from "../../run/runFolder.ts";
import { nodeRuntime } from "../../runtime/node.ts";
import type { TrainEvent } from "../trainingRun.ts";
import { type TrainRunOptions, trainRun } from "../trainRun.ts";

/** One thread, which leaves the cores to the tests beside. */
export const runtime = nodeRuntime({ threads: 1 });

type Routing = Pick<ModelInput, "pattern" | "routing" | "experts">;

/** What decides in the layers: one of each kind. */
export const VARIANTS = {
  dense: {},
  mod: { pattern: ["dense", "mod"], routing: { kind: "learned", capacityRatio: 0.25, predictor: { width: 8 } } },
  random: { pattern: ["dense", "mod"], routing: { kind: "random", capacityRatio: 0.25 } },
  mode: {
    ...{ pattern: ["dense", "mode"], routing: { kind: "learned", capacityRatio: 0.25, predictor: { width: 8 } } },
    experts: { choice: "expert", count: 3, predictor: { width: 8 } },
  },
  moe: { pattern: ["dense", "moe"], experts: { choice: "token", count: 3, noOps: 2 } },
} as const satisfies Record<string, Routing>;

export type Variant = keyof typeof VARIANTS;
export const VARIANT_NAMES = Object.keys(VARIANTS) as Variant[];

export interface RunChange {
  readonly model?: Partial<ModelInput>;
  readonly train?: Partial<RunInput["train"]>;
  readonly seed?: number;
}

/** A run that takes milliseconds a step: 8 steps, evaluated and saved every 4th. */
export const tinyConfig = (variant: Variant, { model, train, seed }: RunChange = {}): RunConfig =>
  resolveConfig({
    ...(seed !== undefined && { seed }),
    model: { seqLen: 16, nLayer: 2, dModel: 16, nHead: 2, ...VARIANTS[variant], ...model },
    data: { tokenizer: { kind: "bytes" } },
    train: {
      batchSize: 2,
      horizon: { kind: "steps", steps: 8 },
      evaluate: { every: 4, tokens: 64 },
      checkpoint: { every: 4 },
      ...train,
    },
  });

/** The model alone, of bytes. */
export const tinyModelOf = (variant: Variant, model: Partial<ModelInput> = {}): ModelConfig => ({
  ...tinyConfig(variant, { model }).model,
  vocabSize: 257,
});

/** Rows of random ids, in which each second row holds two documents. */
export function randomBatch({ seqLen, vocabSize }: ModelConfig, batchSize: number, seed = 1): Batch {
  const size = batchSize * seqLen;
  const ids = (stream: number) =>
    Int32Array.from({ length: size }, (_, i) => Math.floor(vocabSize * uniform(seed, stream, i)));
  const documents = Int32Array.from({ length: size }, (_, i) => {
    const [row, position] = [Math.floor(i / seqLen), i % seqLen];
    return row % 2 === 1 && position >= seqLen / 2 ? 1 : 0;
  });
  return { batchSize, seqLen, tokens: ids(0), targets: ids(1), documents };
}

const WORDS = "the a king queen river stone walks sings under over old bright and then sleeps away".split(" ");

/** Sentences of a small vocabulary in which each word allows a few successors: easy to learn, not to know by heart. */
function someText(document: number): string {
  let word = document % WORDS.length;
  const words = Array.from({ length: 60 }, (_, i) => {
    word = (word * 5 + Math.floor(4 * uniform(7, document, i))) % WORDS.length;
    return WORDS[word]!;
  });
  return `${words.join(" ")}.\n`;
}

/** A folder of text files, prepared as bytes. */
export async function prepareText(dir: string): Promise<PreparedData> {
  const source = path.join(dir, "text");
  mkdirSync(source);
  for (let i = 0; i < 24; i++) writeFileSync(path.join(source, `${String(i).padStart(2, "0")}.txt`), someText(i));
  const outDir = path.join(dir, "prepared");
  return prepareData({ sources: [source], tokenizer: { kind: "bytes" }, outDir, validationFraction: 0.2 });
}

/** Prepared data for all tests of a file, there from the first test on. */
export function sharedData(): { get(): PreparedData } {
  let [dir, data]: [string, PreparedData | undefined] = ["", undefined];
  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), "mod-train-"));
    data = await prepareText(dir);
  });
  afterAll(() => {
    data?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { get: () => data! };
}

/** A new run folder `name` inside `parent`. */
export function newRun(parent: string, name: string, config: RunConfig, { tokenizer }: PreparedData): string {
  const dir = path.join(parent, name);
  createRun(dir, {
    config: { ...config, model: { ...config.model, vocabSize: tokenizer.vocabSize } } as unknown as JsonObject,
    tokenizerJson: JSON.stringify(tokenizer.toJson()),
  });
  return dir;
}

/** Trains until the end or the abort, and gives all events; `onEvent` sees each as it comes. */
export async function trainToEnd(
  options: Omit<TrainRunOptions, "runtime">,
  onEvent: (event: TrainEvent) => void = () => {},
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of trainRun({ ...options, runtime })) {
    events.push(event);
    onEvent(event);
  }
  return events;
}
