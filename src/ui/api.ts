/** What the local server and its page say to one another: plain data, types alone, so that both sides can read it. */

/** `starting`: asked for, its folder is not there yet. `stopped`: neither at its end nor at work. */
export type RunState = "starting" | "running" | "done" | "stopped" | "new" | "damaged";

/** One run as a list shows it. Numbers are null where nothing was measured. */
export interface RunSummary {
  /** Path below the runs folder. */
  readonly id: string;
  readonly state: RunState;
  /** Why it is damaged, or why the process that was started from the page failed; of one that is starting, what it does. */
  readonly problem: string | null;
  readonly model: ModelSummary | null;
  readonly step: number | null;
  /** Horizon; null where it depends on text that was not counted yet. */
  readonly steps: number | null;
  readonly tokens: number | null;
  readonly flops: number | null;
  /** Training loss of the last step, nats a token. */
  readonly lossNats: number | null;
  readonly tokensPerSecond: number | null;
  /** Newest evaluation, under the rule that the model samples with. */
  readonly validation: { readonly step: number; readonly lossNats: number; readonly bitsPerByte: number } | null;
  /** Share of the predictor's decisions that were those of top-k, at the newest evaluation. */
  readonly accuracy: number | null;
  /** Training loss at even distances, for a sparkline. */
  readonly spark: readonly number[];
  /** When the metrics or the configuration changed last; without a folder, when it was started or failed. Milliseconds since 1970. */
  readonly changedMs: number;
}

export interface ModelSummary {
  /** `dense`, `mod`, `random`, `moe`, `mode` or `mode-integrated`. */
  readonly family: string;
  readonly nLayer: number;
  readonly dModel: number;
  readonly seqLen: number;
  readonly vocabSize: number | null;
  /** Kind of each layer. */
  readonly layers: readonly string[];
  /** Share of the tokens that a routed block computes in training; null for a dense model. */
  readonly capacityRatio: number | null;
  readonly gate: string | null;
  /** The rule that the model samples with; null if it was trained for none. */
  readonly rule: string | null;
  /** Every rule that it can be looked at under. */
  readonly rules: readonly string[];
}

export interface PresetSummary {
  readonly name: string;
  readonly summary: string;
  /** Whether it has a capacity. */
  readonly isRouted: boolean;
  /** Whether its router is learned, with a gate: others route at random. */
  readonly isLearned: boolean;
}

export interface ServerInfo {
  readonly version: string;
  readonly runsFolder: string;
  readonly hasStudies: boolean;
  /** Whether this request brought the token that starts and stops work. */
  readonly isAllowed: boolean;
  readonly presets: readonly PresetSummary[];
}

/** What starts a run: a preset, and what is different from it. */
export interface StartRun {
  readonly name: string;
  readonly preset: string;
  readonly seed?: number;
  readonly steps?: number;
  readonly capacityRatio?: number;
  readonly gate?: string;
  /** Files or folders below the folder that the server was started in; the bundled corpus if not given. */
  readonly data?: readonly string[];
}

/** Where a reader of metrics is: which file, and how many rows of each table it has. */
export interface Cursor {
  readonly file: string;
  readonly steps: number;
  readonly evaluations: number;
}

/** Rows of a table, by columns; null where a number is missing. */
export interface Rows {
  readonly count: number;
  readonly columns: Readonly<Record<string, readonly (number | null)[]>>;
}

/** What came to a run's metrics since a cursor. */
export interface NewRows {
  readonly id: string;
  readonly cursor: Cursor;
  /** The file was replaced, by a run that was resumed for instance: everything is to be read again. */
  readonly isReset: boolean;
  readonly steps: Rows;
  readonly evaluations: Rows;
}

/** Messages of the event stream, by the name of their event. */
export interface StreamEvents {
  /** All runs: the first message, and whenever the list changed. */
  readonly runs: { readonly changed: readonly RunSummary[]; readonly gone: readonly string[]; readonly isAll: boolean };
  /** Metrics of a watched run. */
  readonly rows: NewRows;
  /** The list of runs cannot be read, and why. When it can again, all runs follow. */
  readonly problem: { readonly message: string };
}

export type { InspectedLayer, Inspection as InspectAnswer } from "../sample/inspector.ts";

export interface InspectRequest {
  readonly text: string;
  /** The model's own causal rule, if not given. */
  readonly rule?: string;
}

export interface GenerateRequest {
  readonly prompt: string;
  readonly rule?: string;
  readonly tokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
}

/** A line of the answer to a `GenerateRequest`. */
export type GenerateLine =
  | {
      readonly kind: "token";
      readonly text: string;
      readonly logProbability: number;
      readonly routedLayers: readonly number[];
      /** Since the prompt was handed to the model. */
      readonly atMs: number;
      readonly finish?: string;
    }
  | { readonly kind: "error"; readonly message: string };

/** What a study is, before it is fitted. */
export interface StudySummary {
  readonly id: string;
  readonly description: string;
  readonly finished: number;
  readonly planned: number;
}

export interface IntervalView {
  readonly low: number;
  readonly high: number;
}

export interface StudyRunView {
  readonly id: string;
  readonly size: string;
  readonly seed: number;
  readonly parameters: number;
  readonly forwardFlopsPerToken: number;
  readonly lossNats: number;
  readonly topkLossNats: number | null;
  readonly bitsPerByte: number;
  readonly rule: string;
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Training loss along the run. */
  readonly curve: readonly {
    readonly step: number;
    readonly flops: number;
    readonly seconds: number;
    readonly lossNats: number;
  }[];
}

/** A family at a budget. */
export interface StudyFitView {
  readonly budget: number;
  readonly family: string;
  readonly planned: number;
  readonly runs: readonly StudyRunView[];
  readonly minimum: {
    readonly isBracketed: boolean;
    readonly parameters: number;
    readonly forwardFlopsPerToken: number;
    readonly lossNats: number;
    /** The parabola over ln(parameters), at even distances. */
    readonly curve: readonly {
      readonly parameters: number;
      readonly forwardFlopsPerToken: number;
      readonly lossNats: number;
    }[];
  } | null;
  readonly intervals: {
    readonly lossNats: IntervalView;
    readonly parameters: IntervalView;
    readonly forwardFlopsPerToken: IntervalView;
  } | null;
}

export interface StudyClaimView {
  readonly budget: number;
  readonly measure: string;
  readonly value: string;
  readonly relative: string;
  readonly paper: string;
  readonly verdict: string;
  readonly notes: readonly string[];
}

export interface StudyView extends StudySummary {
  readonly fits: readonly StudyFitView[];
  readonly claims: readonly StudyClaimView[];
}

/** What a refused or failed request answers with. */
export interface ErrorAnswer {
  readonly error: string;
}
