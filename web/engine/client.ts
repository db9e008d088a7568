import type { CompletionOptions, Rule } from "../../src/browser.ts";
import type {
  EngineFailure,
  EngineInfo,
  EngineSettings,
  FromWorker,
  GenerationSummary,
  Inspection,
  ModelInfo,
  ModelRequest,
  RequestKind,
  Requests,
  RunFiles,
  RunSource,
  StoredRun,
  TimedToken,
  ToWorker,
  TrainingEvent,
  TrainingInfo,
  TrainingRequest,
} from "./protocol.ts";

/** A failure in the worker, with its kind. */
export class EngineFailed extends Error {
  override name = "EngineFailed";
  readonly code: EngineFailure["code"];
  /** One line for each value that is not allowed. */
  readonly problems: readonly string[];

  constructor({ code, message, problems = [] }: EngineFailure) {
    super(message);
    this.code = code;
    this.problems = problems;
  }
}

/** Folder of the site that holds ONNX Runtime and the corpora, beside the page: what the Vite plugin writes. */
const ASSETS = "engine/";

interface Pending {
  resolve(give: unknown): void;
  reject(error: Error): void;
  readonly onTokens?: (tokens: readonly TimedToken[]) => void;
}

/**
 * Trains and samples models in a worker of its own. A page may have several engines, one to train and one to sample for
 * instance: what one computes does not hold up the other, but for the machine's cores.
 */
export class Engine {
  readonly info: EngineInfo;
  readonly runs: RunStorage;
  readonly #line: Line;

  private constructor(line: Line, info: EngineInfo) {
    this.#line = line;
    this.info = info;
    this.runs = new RunStorage(line);
  }

  /**
   * Starts a worker. ONNX Runtime is loaded with the first model.
   *
   * @throws EngineFailed with the code "webgpu" where that is asked for and there is none
   */
  static async start(settings: Partial<EngineSettings> = {}): Promise<Engine> {
    const { provider = "cpu", assets = new URL(ASSETS, document.baseURI).href, threads } = settings;
    const line = new Line();
    try {
      return new Engine(line, await line.ask("open", { provider, assets, ...(threads !== undefined && { threads }) }));
    } catch (error) {
      line.close();
      throw error;
    }
  }

  /** Starts a training; one at a time in an engine. Events come from the first on, while its text is prepared too. */
  async train(request: TrainingRequest, onEvent: (event: TrainingEvent) => void): Promise<RunningTraining> {
    return new RunningTraining(this.#line, await this.#line.train(request, onEvent));
  }

  async load(request: ModelRequest): Promise<LoadedModel> {
    return new LoadedModel(this.#line, await this.#line.ask("load", request));
  }

  /** One .zip of a run folder, to be downloaded. */
  pack = (name: string, from: RunSource): Promise<Blob> => this.#line.ask("pack", { name, from });

  /** The files of a .zip that was chosen from a disk. */
  unpack = (archive: Blob): Promise<Requests["unpack"]["give"]> => this.#line.ask("unpack", { archive });

  /** Ends the worker, and all that is under way in it. */
  close(): void {
    this.#line.close();
  }
}

/** A training under way. */
export class RunningTraining {
  readonly info: TrainingInfo;
  readonly #line: Line;

  constructor(line: Line, info: TrainingInfo) {
    this.#line = line;
    this.info = info;
  }

  /** Its run folder, for what else is asked of the same engine. */
  get source(): RunSource {
    return { kind: "training", training: this.info.training };
  }

  /** After the step under way. */
  pause = (): Promise<null> => this.#line.ask("pause", this.info);
  resume = (): Promise<null> => this.#line.ask("resume", this.info);
  /** Finishes the step under way, and saves. */
  stop = (): Promise<null> => this.#line.ask("stop", this.info);
  /** The run folder after the step under way, also while paused, and after the end until another training starts. */
  snapshot = (): Promise<RunFiles> => this.#line.ask("snapshot", this.info);
}

/** A model to sample from and to look into. */
export class LoadedModel {
  readonly info: ModelInfo;
  readonly #line: Line;

  constructor(line: Line, info: ModelInfo) {
    this.#line = line;
    this.info = info;
  }

  /** Continues a prompt, token by token; returns how fast. To stop early, leave the loop. */
  async *generate(
    prompt: string,
    options: CompletionOptions = {},
  ): AsyncGenerator<TimedToken, GenerationSummary, undefined> {
    const stream = this.#line.generate({ model: this.info.model, prompt, options });
    try {
      for (let some = await stream.next(); some !== undefined; some = await stream.next()) yield* some;
      return await stream.summary;
    } finally {
      stream.cancel();
    }
  }

  /** A text under a rule: which layers compute which tokens, why, and what the model makes of each. */
  inspect(text: string, rule?: Rule): Promise<Inspection> {
    return this.#line.ask("inspect", { model: this.info.model, text, ...(rule && { rule }) });
  }

  close = (): Promise<null> => this.#line.ask("unload", { model: this.info.model });
}

/** Runs that the browser keeps for the site. */
export class RunStorage {
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  list = (): Promise<readonly StoredRun[]> => this.#line.ask("listRuns", null);
  save = (name: string, from: RunSource): Promise<null> => this.#line.ask("saveRun", { name, from });
  load = (name: string): Promise<RunFiles> => this.#line.ask("loadRun", { name });
  delete = (name: string): Promise<null> => this.#line.ask("deleteRun", { name });
}

/** Tokens of one text on their way. */
interface TokenStream {
  readonly summary: Promise<GenerationSummary>;
  /** The next tokens; undefined at the end. */
  next(): Promise<readonly TimedToken[] | undefined>;
  cancel(): void;
}

/** Requests to the worker and their answers. */
class Line {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "mod engine" });
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<number, (event: TrainingEvent) => void>();
  #asked = 0;
  #failure: Error | undefined;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    this.#worker.onerror = ({ message }) => this.#die(`engine: the worker must run, got ${message || "no script"}`);
  }

  ask<Kind extends RequestKind>(kind: Kind, ask: Requests[Kind]["ask"]): Promise<Requests[Kind]["give"]> {
    return this.#send(kind, ask, this.#asked++);
  }

  train(request: TrainingRequest, onEvent: (event: TrainingEvent) => void): Promise<TrainingInfo> {
    const id = this.#asked++;
    this.#listeners.set(id, onEvent);
    return this.#send("train", request, id);
  }

  generate(ask: Requests["generate"]["ask"]): TokenStream {
    const id = this.#asked++;
    const waiting: (readonly TimedToken[])[] = [];
    let isOver = false;
    let wake = () => {};
    const summary = this.#send("generate", ask, id, (tokens) => {
      waiting.push(tokens);
      wake();
    }).finally(() => {
      isOver = true;
      wake();
    });
    // Who leaves the loop early does not wait for it.
    summary.catch(() => {});
    const next = async () => {
      while (waiting.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift();
    };
    const cancel = () => {
      if (!isOver && this.#failure === undefined) this.ask("cancel", { request: id }).catch(() => {});
    };
    return { summary, next, cancel };
  }

  close(): void {
    this.#worker.terminate();
    this.#fail("engine: it must be open, got one that was closed");
  }

  #send<Kind extends RequestKind>(
    kind: Kind,
    ask: Requests[Kind]["ask"],
    id: number,
    onTokens?: Pending["onTokens"],
  ): Promise<Requests[Kind]["give"]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject, ...(onTokens && { onTokens }) });
      this.#worker.postMessage({ kind, id, ask } as ToWorker);
    });
  }

  #take(message: FromWorker): void {
    const pending = this.#pending.get(message.id);
    switch (message.kind) {
      case "training":
        this.#listeners.get(message.id)?.(message.event);
        if (isLast(message.event)) this.#listeners.delete(message.id);
        return;
      case "tokens":
        pending?.onTokens?.(message.tokens);
        return;
      case "answer":
        pending?.resolve(message.give);
        break;
      case "failure":
        pending?.reject(new EngineFailed(message.failure));
    }
    this.#pending.delete(message.id);
  }

  /** The worker has an error that it did not catch: a training in it will tell nothing any more. */
  #die(message: string): void {
    this.#fail(message);
    for (const tell of this.#listeners.values())
      tell({ kind: "failed", step: 0, error: { code: "internal", message } });
    this.#listeners.clear();
  }

  #fail(message: string): void {
    this.#failure ??= new EngineFailed({ code: "internal", message });
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }
}

const isLast = ({ kind }: TrainingEvent): boolean => kind === "done" || kind === "stopped" || kind === "failed";
