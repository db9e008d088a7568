import {
  countParameters,
  type Document,
  Inspector,
  type JsonObject,
  MemoryRun,
  modelOf,
  type PrepareTextsOptions,
  prepareTexts,
  type RunConfig,
  type RunFiles,
  type Runtime,
  resolveConfig,
  type TrainEvent,
  type TrainingData,
  TrainingRun,
  tokenizerFromJson,
} from "../../src/browser.ts";
import { EngineError, failureOf } from "./failure.ts";
import { checkTrainable } from "./limits.ts";
import type { TextSource, TrainingEvent, TrainingInfo, TrainingRequest } from "./protocol.ts";
import { saveRun } from "./storage.ts";
import { readText, textOfRun } from "./texts.ts";

type Tell = (event: TrainingEvent) => void;

/** What a run begins or goes on with. */
interface Beginning {
  readonly run: MemoryRun;
  readonly config: RunConfig;
  readonly data: TrainingData;
}

/** One training in this worker: a run in memory that is driven event by event, so that a page can stop it between two. */
export class Training {
  readonly #request: TrainingRequest;
  readonly #run: MemoryRun;
  readonly #config: RunConfig;
  readonly #training: TrainingRun;
  readonly #textTokens: number;
  readonly #watch: Watch | undefined;
  readonly #tell: Tell;
  readonly #abort = new AbortController();
  /** Pending while paused. */
  #gate: { readonly opened: Promise<void>; open(): void } | undefined;
  /** Waits for the next checkpoint, or the end. */
  #awaitingSave: (() => void)[] = [];
  #step = 0;
  #savedStep = 0;
  #isOver = false;

  private constructor(request: TrainingRequest, { run, config, data }: Beginning, training: TrainingRun, tools: Tools) {
    this.#request = request;
    this.#run = run;
    this.#config = config;
    this.#training = training;
    this.#textTokens = data.train.tokens;
    this.#watch = tools.watch;
    this.#tell = tools.tell;
  }

  /**
   * Prepares the text, compiles the graphs, and starts.
   *
   * @param files of the run that goes on
   */
  static async start(
    request: TrainingRequest,
    files: RunFiles | undefined,
    { runtime, assets }: { readonly runtime: Runtime; readonly assets: string },
    tell: Tell,
  ): Promise<Training> {
    const beginning = await begin(request, files, assets, tell);
    const { run, config, data } = beginning;
    const training = await TrainingRun.open({ store: run, config, data, runtime });
    try {
      const watch = request.watch && (await Watch.create(request.watch, training, data, runtime));
      const started = new Training(request, beginning, training, { watch, tell });
      void started.#drive();
      return started;
    } catch (error) {
      await training.close();
      throw error;
    }
  }

  get info(): Omit<TrainingInfo, "training"> {
    const { model } = this.#training;
    return { config: this.#config, model, parameters: countParameters(model), textTokens: this.#textTokens };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  pause(): void {
    if (this.#gate !== undefined || this.#isOver) return;
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#gate = { opened, open };
  }

  resume(): void {
    const gate = this.#gate;
    if (gate === undefined) return;
    this.#gate = undefined;
    this.#tell({ kind: "resumed", step: this.#step });
    gate.open();
  }

  /** Finishes the step under way, and saves. */
  stop(): void {
    this.#abort.abort();
    this.#gate?.open();
  }

  /** The run folder as it stands after the step under way. */
  async snapshot(): Promise<RunFiles> {
    if (this.#savedStep < this.#step && !this.#isOver) {
      const saved = new Promise<void>((resolve) => this.#awaitingSave.push(resolve));
      this.#training.requestSave();
      this.#gate?.open();
      await saved;
    }
    return this.#run.files;
  }

  async #drive(): Promise<void> {
    try {
      for await (const event of this.#training.events(this.#abort.signal)) {
        await this.#take(event);
        await this.#rest();
      }
    } catch (error) {
      this.#tell({ kind: "failed", step: this.#step, error: failureOf(error) });
    } finally {
      this.#isOver = true;
      this.#wake();
      await this.#close();
    }
  }

  async #take(event: TrainEvent): Promise<void> {
    if (event.kind === "interrupted") {
      this.#tell({ ...event, kind: "stopped" });
      return;
    }
    if (event.kind === "start" || event.kind === "step") this.#step = event.step;
    if (event.kind === "start") this.#savedStep = event.step;
    this.#tell(event);
    if (event.kind === "start" || event.kind === "step") await this.#look();
    if (event.kind !== "checkpoint") return;
    this.#savedStep = event.step;
    this.#wake();
    await this.#store(event.step);
  }

  /** Keeps the run in the browser's storage. Where that is full, the training goes on all the same. */
  async #store(step: number): Promise<void> {
    const { saveAs } = this.#request;
    if (saveAs === undefined) return;
    try {
      await saveRun(saveAs, this.#run.files);
      this.#tell({ kind: "saved", step, name: saveAs });
    } catch (error) {
      this.#tell({ kind: "notSaved", step, error: failureOf(error) });
    }
  }

  /** Waits as long as the training is paused, and nobody wants it saved. */
  async #rest(): Promise<void> {
    if (this.#gate === undefined || this.#abort.signal.aborted) return;
    this.#tell({ kind: "paused", step: this.#step });
    while (this.#gate !== undefined && this.#awaitingSave.length === 0 && !this.#abort.signal.aborted) {
      await this.#gate.opened;
      // A snapshot opens the gate for itself alone.
      if (this.#gate !== undefined) this.#renewGate();
    }
  }

  #renewGate(): void {
    this.#gate = undefined;
    this.pause();
  }

  /** Tells of the routing of the text that is watched, where it is time. */
  async #look(): Promise<void> {
    if (this.#watch === undefined || !this.#watch.isDue(this.#step)) return;
    const inspection = await this.#watch.look(this.#training);
    this.#tell({ kind: "routing", step: this.#step, inspection });
  }

  #wake(): void {
    for (const wake of this.#awaitingSave) wake();
    this.#awaitingSave = [];
  }

  async #close(): Promise<void> {
    await this.#watch?.close();
    await this.#training.close();
  }
}

interface Tools {
  readonly watch: Watch | undefined;
  readonly tell: Tell;
}

/** A text whose routing is looked at every few steps. */
class Watch {
  readonly #text: string;
  readonly #every: number;
  readonly #inspector: Inspector;

  private constructor({ text, every }: NonNullable<TrainingRequest["watch"]>, inspector: Inspector) {
    this.#text = text;
    this.#every = every;
    this.#inspector = inspector;
  }

  static async create(
    watch: NonNullable<TrainingRequest["watch"]>,
    { model }: TrainingRun,
    { tokenizer }: TrainingData,
    runtime: Runtime,
  ): Promise<Watch> {
    return new Watch(watch, await Inspector.create({ model, tokenizer }, watch.rule ?? "topk", runtime));
  }

  isDue = (step: number): boolean => step % this.#every === 0;
  look = async (training: TrainingRun) => this.#inspector.inspect(this.#text, await training.values());
  close = () => this.#inspector.dispose();
}

async function begin(
  { name, run: from }: TrainingRequest,
  files: RunFiles | undefined,
  assets: string,
  tell: Tell,
): Promise<Beginning> {
  if (from.kind === "resume") return goOn(name, files!, from.text, assets);
  const config = resolveConfig(from.config);
  const text = await readText(from.text, assets);
  const data = await prepare(text.documents, config, trainedTokenizer(config), ({ tokens, tokensWanted }) =>
    tell({ kind: "preparing", tokens, tokensWanted }),
  );
  const { vocabSize } = data.tokenizer;
  checkTrainable(modelOf(config, vocabSize));
  const saved: RunConfig = {
    ...config,
    data: { ...config.data, sources: [...text.sources] },
    model: { ...config.model, vocabSize },
  };
  const tokenizerJson = `${JSON.stringify(data.tokenizer.toJson(), null, 1)}\n`;
  const run = MemoryRun.create(name, { config: saved as unknown as JsonObject, tokenizerJson }, text.files);
  return { run, config: saved, data };
}

async function goOn(name: string, files: RunFiles, text: TextSource | undefined, assets: string): Promise<Beginning> {
  const run = MemoryRun.open(name, files);
  const config = resolveConfig(run.config);
  const tokenizer = tokenizerFromJson(JSON.parse(run.tokenizerJson));
  checkTrainable(modelOf(config, tokenizer.vocabSize));
  const documents = await textOfRun(files, config.data.sources, text, assets);
  return { run, config, data: await prepare(documents, config, tokenizer) };
}

function prepare(
  documents: readonly Document[],
  { data: { validationFraction, splitSeed: seed } }: RunConfig,
  tokenizer: PrepareTextsOptions["tokenizer"],
  onProgress?: PrepareTextsOptions["onProgress"],
): Promise<TrainingData> {
  return prepareTexts(documents, { tokenizer, validationFraction, seed, ...(onProgress && { onProgress }) });
}

function trainedTokenizer({ data: { tokenizer } }: RunConfig): PrepareTextsOptions["tokenizer"] {
  if (tokenizer.kind === "bytes" || tokenizer.kind === "bpe") return tokenizer;
  throw new EngineError(
    "config",
    `data.tokenizer.kind: must be "bytes" or "bpe" in a browser, got "${tokenizer.kind}"; train it here, or the run in Node`,
  );
}
