import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  type EvaluationResult,
  type JsonObject,
  MemoryRun,
  type MetricsRecord,
  prepareTexts,
  type RunConfig,
  type RunFiles,
  type RunInput,
  resolveConfig,
  type StepRecord,
  TrainingRun,
} from "../../src/browser.ts";
import { nodeRuntime } from "../../src/runtime/node.ts";
import type { TrainingEvent } from "../../web/engine/protocol.ts";
import { someText } from "../support/cli.ts";
import type { Encoded } from "./page/main.ts";

/** Of two builds of one engine, whose sums differ in their order: a router weight close to another may then fall behind it. */
export const TOLERANCE = 2e-4;

const TEXTS = Array.from({ length: 12 }, (_, i) => ({
  name: `${String(i).padStart(2, "0")}.txt`,
  text: someText(i, 400),
}));
export const FILES = TEXTS.map(({ name, text }) => ({ name, content: text }));

export const configOf = (steps: number, change: Partial<RunInput["train"]> = {}): RunInput => ({
  seed: 5,
  model: {
    seqLen: 32,
    nLayer: 4,
    dModel: 32,
    nHead: 2,
    pattern: ["dense", "mod"],
    routing: { kind: "learned", capacityRatio: 0.25 },
  },
  data: { tokenizer: { kind: "bpe", vocabSize: 320 }, validationFraction: 0.2 },
  train: {
    batchSize: 4,
    horizon: { kind: "steps", steps },
    evaluate: { every: 10, tokens: 512 },
    checkpoint: { every: 10 },
    ...change,
  },
});

/** The same run in Node, in memory. */
export async function trainInNode(input: RunInput, threads: number): Promise<MemoryRun> {
  const config = resolveConfig(input);
  const { validationFraction, tokenizer, splitSeed: seed } = config.data;
  if (tokenizer.kind !== "bpe") throw new Error("these tests train their tokenizer");
  const data = await prepareTexts(TEXTS, { tokenizer, validationFraction, seed });
  const saved: RunConfig = { ...config, model: { ...config.model, vocabSize: data.tokenizer.vocabSize } };
  const tokenizerJson = JSON.stringify(data.tokenizer.toJson());
  const run = MemoryRun.create("node", { config: saved as unknown as JsonObject, tokenizerJson });
  const training = await TrainingRun.open({ store: run, config, data, runtime: nodeRuntime({ threads }) });
  for await (const _ of training.events());
  await training.close();
  return run;
}

export const isStep = (record: MetricsRecord | TrainingEvent) => record.kind === "step";

/** Losses of steps and evaluations, in order. */
export function lossesOf(records: readonly (MetricsRecord | TrainingEvent)[]): number[] {
  return records.flatMap((record) => {
    if (isStep(record)) {
      return Object.values((record as unknown as StepRecord).losses);
    }
    if (record.kind !== "evaluation") return [];
    const { rules } = record.result as unknown as EvaluationResult;
    return Object.values(rules).map((rule) => rule?.lossNats ?? 0);
  });
}

export const encoded = (files: RunFiles): Encoded =>
  [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
export const decoded = (files: Encoded): RunFiles =>
  new Map(files.map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "base64"))]));

export function writeFolder(dir: string, files: RunFiles): void {
  for (const [name, bytes] of files) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    writeFileSync(path.join(dir, name), bytes);
  }
}

/** A run that is begun in the page. */
export const newRun = (config: RunInput) => ({ kind: "new", config, text: { kind: "files", files: FILES } }) as const;
