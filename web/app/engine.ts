/**
 * What the pages Microscope, Playground and Train need of an engine that runs models in the browser. The engine lives elsewhere
 * (a Web Worker); the pages know this file alone, and the local server's models come in the same form (`serverModel.ts`).
 *
 * All methods that fail reject with an Error whose message tells a person what is wrong and what to do.
 */
import type { InspectAnswer, ModelSummary } from "../../src/ui/api.ts";

/** Where an engine computes. */
export type Device = "webgpu" | "wasm";

/** What this browser offers. */
export interface DeviceReport {
  readonly webgpu: boolean;
  /** Why there is no WebGPU, in words; null where there is. */
  readonly webgpuProblem: string | null;
  /** Threads of WebAssembly; 1 where the page is not isolated. */
  readonly wasmThreads: number;
}

/** What one model did with one text. */
export type Inspection = InspectAnswer;

/** One generated token. */
export interface GeneratedToken {
  readonly text: string;
  /** Of the model's distribution at temperature 1, nats. */
  readonly logProbability: number;
  /** Routed layers that computed the token before it, from which it was predicted. */
  readonly routedLayers: readonly number[];
  /** Since the prompt was handed to the model, milliseconds. */
  readonly atMs: number;
  /** Of the last token: why the text ends. */
  readonly finish?: string;
}

export interface GenerateOptions {
  /** The model's own causal rule, if not given. */
  readonly rule?: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** A model that is open for looking and sampling. */
export interface OpenModel {
  readonly name: string;
  readonly summary: ModelSummary;
  inspect(text: string, rule: string | undefined): Promise<Inspection>;
  generate(prompt: string, options: GenerateOptions): AsyncIterable<GeneratedToken>;
  /** Gives back what it holds. */
  close(): Promise<void>;
}

/** A text to train on. */
export type Corpus =
  | { readonly kind: "bundled" }
  | { readonly kind: "text"; readonly name: string; readonly text: string };

export interface TrainSettings {
  readonly corpus: Corpus;
  /** Name of a preset of the library; what follows is different from it. */
  readonly preset: string;
  readonly steps: number;
  readonly seed: number;
  /** Of a preset that routes. */
  readonly capacityRatio?: number;
  readonly gate?: string;
  readonly device: Device;
}

/** What a training tells. Records are those of `metrics.jsonl`, so that the charts of a run folder draw them too. */
export type TrainingEvent =
  | { readonly kind: "start"; readonly step: number; readonly steps: number; readonly summary: ModelSummary }
  | { readonly kind: "preparing"; readonly what: string }
  /** A step's record. */
  | { readonly kind: "step"; readonly step: number; readonly record: Readonly<Record<string, unknown>> }
  /** An evaluation's record. */
  | { readonly kind: "evaluation"; readonly step: number; readonly record: Readonly<Record<string, unknown>> }
  /** What the model does now with a text that stays the same. */
  | { readonly kind: "routing"; readonly step: number; readonly inspection: Inspection }
  | { readonly kind: "paused" | "resumed" | "stopped" | "done"; readonly step: number }
  | { readonly kind: "error"; readonly message: string };

/** A training under way. */
export interface Training {
  /** Calls a listener with each event from now on; returns what ends that. */
  subscribe(listener: (event: TrainingEvent) => void): () => void;
  /** After the step under way. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it for good; what was trained can still be saved. */
  stop(): Promise<void>;
  /** Keeps the run, with everything that going on needs, in the browser's storage. */
  save(name: string): Promise<StoredRun>;
  /** The run folder as one archive, as `mod train --resume` takes it when it is unpacked. */
  download(): Promise<Blob>;
  /** The model as it is now, to look into and to sample from while it is being trained. */
  snapshot(): Promise<OpenModel>;
}

/** A run in the browser's storage. */
export interface StoredRun {
  readonly id: string;
  readonly name: string;
  readonly summary: ModelSummary;
  readonly step: number;
  readonly steps: number | null;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly savedMs: number;
}

/** Runs that are kept in the browser. */
export interface StoredRuns {
  list(): Promise<readonly StoredRun[]>;
  open(id: string): Promise<OpenModel>;
  /** Goes on training a run from where it was saved. */
  resume(id: string, device: Device): Promise<Training>;
  remove(id: string): Promise<void>;
  /** The run folder as one archive. */
  exportArchive(id: string): Promise<Blob>;
  /** Takes in an archive that `exportArchive` or a packed run folder gave. */
  importArchive(file: Blob, name: string): Promise<StoredRun>;
}

/** Models and trainings in the browser. */
export interface Engine {
  devices(): Promise<DeviceReport>;
  /** Opens a model from the files of a run folder: configuration, tokenizer, and weights or an archive with them. */
  openFiles(files: readonly File[]): Promise<OpenModel>;
  train(settings: TrainSettings): Promise<Training>;
  readonly stored: StoredRuns;
}
