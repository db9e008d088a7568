/**
 * What the pages Microscope, Playground and Train need of whatever computes: the engine in a worker (`browserEngine.ts`), or for the
 * models of local runs the server (`serverModel.ts`). What fails rejects with an Error whose message tells a person what is wrong
 * and what to do.
 */
import type { InspectAnswer, ModelSummary } from "../../src/ui/api.ts";
import type {
  EngineSettings,
  StoredRun,
  TextSource,
  TimedToken,
  TrainingEvent as WorkerEvent,
} from "../engine/protocol.ts";

export type { EngineFailure, StoredRun, TextSource } from "../engine/protocol.ts";

/** Where an engine computes: `cpu` is WebAssembly. */
export type Device = EngineSettings["provider"];

/** What this browser offers. */
export interface DeviceReport {
  /** Why there is no WebGPU, in words; null where there is. */
  readonly webgpuProblem: string | null;
  /** Threads of WebAssembly; 1 where the page is not isolated. */
  readonly threads: number;
}

/** What one model did with one text. */
export type Inspection = InspectAnswer;

/** One generated token. */
export type GeneratedToken = Pick<TimedToken, "text" | "logProbability" | "routedLayers" | "atMs"> & {
  /** Of the last token: why the text ends. */
  readonly finish?: string;
};

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
  /**
   * The dense model of its shape, with random weights: for its speed alone. Both have run for a while then, so that they compare.
   * Missing where there is none to be had.
   */
  denseTwin?(): Promise<OpenModel>;
  /** Gives back what it holds. */
  close(): Promise<void>;
}

/** A new run. */
export interface TrainSettings {
  readonly text: TextSource;
  /** Name of a preset of the library; what follows is different from it. */
  readonly preset: string;
  readonly steps: number;
  readonly seed: number;
  /** Of a preset that routes. */
  readonly capacityRatio?: number;
  readonly gate?: string;
}

/** What is to be trained. */
export interface TrainWish {
  readonly device: Device;
  /** Text whose routing is looked at as it changes. */
  readonly watched: string;
  readonly run:
    | ({ readonly kind: "new" } & TrainSettings)
    /** One that the browser keeps; its text may be left out where the run folder or the site holds it. */
    | { readonly kind: "resume"; readonly name: string; readonly text?: TextSource };
}

/** What a training tells: what the worker does, and before its first step what is being trained. */
export type TrainingEvent =
  | WorkerEvent
  | {
      readonly kind: "model";
      readonly summary: ModelSummary;
      readonly parameters: number;
      /** Training tokens that the text has. */
      readonly textTokens: number;
      /** What could not be as it was asked for, in words. */
      readonly notes: readonly string[];
    };

/** A training under way. */
export interface Training {
  /** After the step under way. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it for good; what was trained can still be kept. */
  stop(): Promise<void>;
  /** Keeps the run, with everything that going on needs, in the browser's storage. */
  save(name: string): Promise<void>;
  /** The run folder as one .zip. */
  archive(name: string): Promise<Blob>;
  /** Gives back what it holds, at once: what was not kept is gone. */
  close(): void;
}

/** Runs that are kept in the browser. */
export interface StoredRuns {
  list(): Promise<readonly StoredRun[]>;
  open(name: string): Promise<OpenModel>;
  remove(name: string): Promise<void>;
  /** The run folder as one .zip. */
  archive(name: string): Promise<Blob>;
  /** Takes in a .zip of a run folder, under the name of the file or one like it that is free; gives that name. */
  takeIn(file: File): Promise<string>;
}

/** Models and trainings in the browser. */
export interface Engine {
  devices(): Promise<DeviceReport>;
  /** Opens a model from one .zip, or from the files of a run folder or of an export as safetensors. */
  openFiles(files: readonly File[]): Promise<OpenModel>;
  /** Starts at once; failures come as an event. */
  train(wish: TrainWish, tell: (event: TrainingEvent) => void): Training;
  readonly stored: StoredRuns;
}
