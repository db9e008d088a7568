/** What page and worker say to each other: two unions, told apart by `kind`. `client.ts` is the page's end, `server.ts` the other. */
import type {
  CausalRule,
  CheckpointChoice,
  CompletionOptions,
  Document,
  FinishReason,
  GeneratedToken,
  Inspection,
  ModelConfig,
  Provider,
  Rule,
  RunFiles,
  RunInput,
  TrainEvent,
  WeightFormat,
} from "../../src/browser.ts";
import type { ModelSummary } from "../../src/ui/api.ts";

/** Where an engine computes. */
export interface EngineSettings {
  /** `cpu` is WebAssembly. */
  readonly provider: Provider;
  /** Of WebAssembly; as many as the page may have, if not given. More than one needs a cross-origin isolated page. */
  readonly threads?: number;
  /** Absolute address of the folder with ONNX Runtime's files and the corpora, with a slash at the end. */
  readonly assets: string;
}

export interface EngineInfo {
  readonly provider: Provider;
  readonly threads: number;
  /** What could not be as it was asked for, in words for people. */
  readonly notes: readonly string[];
}

/** A text that the site brings: all State of the Union addresses (10.8 MB), or those since 1981 (1.6 MB). */
export const CORPORA = ["sotu", "sotu-recent"] as const;
export type CorpusName = (typeof CORPORA)[number];

/** A file of text; bytes must be UTF-8. */
export interface TextFile {
  readonly name: string;
  readonly content: string | Uint8Array;
}

export type TextSource =
  | { readonly kind: "corpus"; readonly name: CorpusName }
  /** One or several files, each of them a document. */
  | { readonly kind: "files"; readonly files: readonly TextFile[] };

/** Where a run folder is; all but the first spare the page its bytes. */
export type RunSource =
  | { readonly kind: "files"; readonly files: RunFiles }
  /** A .zip of it. */
  | { readonly kind: "archive"; readonly archive: Blob }
  /** In the browser's storage. */
  | { readonly kind: "stored"; readonly name: string }
  /** Of this engine, after the step under way. */
  | { readonly kind: "training"; readonly training: number };

export interface TrainingRequest {
  /** What errors and the archive call the run. */
  readonly name: string;
  readonly run: /** A new one; its `data.sources` follow from the text. */
    | { readonly kind: "new"; readonly config: RunInput; readonly text: TextSource }
    /** One to go on with; the text may be left out where the run folder or the site holds it. */
    | { readonly kind: "resume"; readonly from: RunSource; readonly text?: TextSource };
  /** A text whose routing is told of as it changes. */
  readonly watch?: {
    readonly text: string;
    /** In steps. */
    readonly every: number;
    /** Top-k, if not given: the one that training uses. */
    readonly rule?: Rule;
  };
  /** Name in the browser's storage that each checkpoint is saved to; not at all, if not given. */
  readonly saveAs?: string;
}

export interface TrainingInfo {
  readonly training: number;
  readonly config: RunInput;
  readonly model: ModelConfig;
  readonly parameters: number;
  /** Training tokens that the text has. */
  readonly textTokens: number;
}

/** What a training tells, in order. After the last three kinds it is over. */
export type TrainingEvent =
  | { readonly kind: "preparing"; readonly tokens: number; readonly tokensWanted: number }
  | Exclude<TrainEvent, { kind: "done" | "interrupted" }>
  | { readonly kind: "routing"; readonly step: number; readonly inspection: Inspection }
  | { readonly kind: "saved"; readonly step: number; readonly name: string }
  /** To the browser's storage; the training goes on. */
  | { readonly kind: "notSaved"; readonly step: number; readonly error: EngineFailure }
  | { readonly kind: "paused"; readonly step: number }
  | { readonly kind: "resumed"; readonly step: number }
  | { readonly kind: "done"; readonly step: number; readonly steps: number }
  | { readonly kind: "stopped"; readonly step: number; readonly steps: number }
  | { readonly kind: "failed"; readonly step: number; readonly error: EngineFailure };

export type ModelSource =
  /** A run folder, or what `mod export --format safetensors` wrote: the files tell which. */
  | { readonly kind: "run"; readonly name: string; readonly from: RunSource; readonly checkpoint?: CheckpointChoice }
  /** A dense model of the shape of a loaded one, with random weights: for its speed, not for its text. */
  | { readonly kind: "denseTwin"; readonly of: number };

export interface ModelRequest {
  readonly source: ModelSource;
  /** Float32, if not given. */
  readonly weights?: WeightFormat;
  /** The model's own causal rule, if not given. */
  readonly rule?: CausalRule;
  /** Whether thresholds are those that `mod calibrate` measured. */
  readonly calibrated?: boolean;
  /**
   * Tokens that are written before the model is handed out; none, if not given. A browser compiles WebAssembly better once it has
   * run for a while: some 200 make two models comparable.
   */
  readonly warmUp?: number;
}

export interface ModelInfo {
  readonly model: number;
  readonly name: string;
  readonly config: ModelConfig;
  readonly parameters: number;
  /** Training steps behind the weights; null where they are random or not told. */
  readonly step: number | null;
  /** `random`: never trained, good for timing alone. */
  readonly weights: "trained" | "random";
  /** What it samples with. */
  readonly rule: CausalRule;
  /** Rules that it can be inspected under. */
  readonly rules: readonly Rule[];
}

export interface GenerationSummary {
  readonly finish: FinishReason | "cancelled";
  readonly tokens: number;
  /** From the request to the first token. */
  readonly firstTokenMs: number;
  /** After the first token; null where there was only one. */
  readonly tokensPerSecond: number | null;
}

/** A token as it comes. */
export interface TimedToken extends GeneratedToken {
  /** Since the prompt was handed to the model, milliseconds. */
  readonly atMs: number;
}

export interface StoredRun {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** Of the newest checkpoint; 0 without one. */
  readonly step: number;
  /** What its configuration says; null where that can't be read. */
  readonly plan: {
    readonly model: ModelSummary;
    /** Horizon; null where it depends on the text. */
    readonly steps: number | null;
  } | null;
}

/** What went wrong, for people and for pages that offer a way on. */
export interface EngineFailure {
  /**
   * `config`: a value is not allowed; `file`: a file is bad or missing; `text`: a run that goes on needs the text that it began
   * with, and has none or another; `webgpu`: there is none; `memory`: too large;
   * `diverged`: a loss that is no number; `storage`: the browser's storage refused; `internal`: anything else.
   */
  readonly code: "config" | "file" | "text" | "webgpu" | "memory" | "diverged" | "storage" | "internal";
  readonly message: string;
  /** One line for each value that is not allowed. */
  readonly problems?: readonly string[];
}

/** Requests by kind: what they bring and what they give. */
export interface Requests {
  readonly open: { readonly ask: EngineSettings; readonly give: EngineInfo };
  readonly train: { readonly ask: TrainingRequest; readonly give: TrainingInfo };
  readonly pause: { readonly ask: { readonly training: number }; readonly give: null };
  readonly resume: { readonly ask: { readonly training: number }; readonly give: null };
  readonly stop: { readonly ask: { readonly training: number }; readonly give: null };
  readonly snapshot: { readonly ask: { readonly training: number }; readonly give: RunFiles };
  readonly load: { readonly ask: ModelRequest; readonly give: ModelInfo };
  readonly unload: { readonly ask: { readonly model: number }; readonly give: null };
  readonly generate: {
    readonly ask: { readonly model: number; readonly prompt: string; readonly options: CompletionOptions };
    readonly give: GenerationSummary;
  };
  /** Ends the generation that another request, of this number, asked for. */
  readonly cancel: { readonly ask: { readonly request: number }; readonly give: null };
  readonly inspect: {
    readonly ask: { readonly model: number; readonly text: string; readonly rule?: Rule };
    readonly give: Inspection;
  };
  readonly listRuns: { readonly ask: null; readonly give: readonly StoredRun[] };
  readonly saveRun: { readonly ask: { readonly name: string; readonly from: RunSource }; readonly give: null };
  readonly loadRun: { readonly ask: { readonly name: string }; readonly give: RunFiles };
  readonly deleteRun: { readonly ask: { readonly name: string }; readonly give: null };
  /** One .zip of a run folder, and back. */
  readonly pack: { readonly ask: { readonly name: string; readonly from: RunSource }; readonly give: Blob };
  readonly unpack: {
    readonly ask: { readonly archive: Blob };
    readonly give: { readonly name: string | null; readonly files: RunFiles };
  };
}

export type RequestKind = keyof Requests;

/** From the page. `id` is a number of its own for each request. */
export type ToWorker = {
  readonly [Kind in RequestKind]: { readonly kind: Kind; readonly id: number; readonly ask: Requests[Kind]["ask"] };
}[RequestKind];

/** From the worker. */
export type FromWorker =
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly give: Requests[RequestKind]["give"];
    }
  | { readonly kind: "failure"; readonly id: number; readonly failure: EngineFailure }
  /** Before the answer to a `generate`; several at a time. */
  | { readonly kind: "tokens"; readonly id: number; readonly tokens: readonly TimedToken[] }
  /** Of the training that request `id` started. */
  | { readonly kind: "training"; readonly id: number; readonly event: TrainingEvent };

export type { Document, GeneratedToken, Inspection, RunFiles };
