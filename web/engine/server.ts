import type { WebRuntimeOptions } from "../../src/browser.ts";
import { MemoryRun, type Runtime, webRuntime } from "../../src/browser.ts";
import { pack, unpack } from "./archive.ts";
import { EngineError, failureOf } from "./failure.ts";
import { EngineModel } from "./models.ts";
import type { FromWorker, RequestKind, Requests, RunFiles, RunSource, ToWorker } from "./protocol.ts";
import { deleteRun, listRuns, loadRun, saveRun } from "./storage.ts";
import { Training } from "./training.ts";

type Ask<Kind extends RequestKind> = Requests[Kind]["ask"];
type Give<Kind extends RequestKind> = Requests[Kind]["give"];
type Handlers = {
  readonly [Kind in RequestKind]: (ask: Ask<Kind>, id: number) => Promise<Give<Kind>> | Give<Kind>;
};

interface Opened {
  readonly runtime: Runtime;
  readonly assets: string;
}

/** The worker's end: answers requests, of which several may be under way. */
export class EngineServer {
  readonly #post: (message: FromWorker) => void;
  readonly #startScript: NonNullable<WebRuntimeOptions["startScript"]>;
  readonly #trainings = new Map<number, Training>();
  readonly #models = new Map<number, EngineModel>();
  readonly #generations = new Map<number, AbortController>();
  #opened: Opened | undefined;

  constructor(post: (message: FromWorker) => void, startScript: NonNullable<WebRuntimeOptions["startScript"]>) {
    this.#post = post;
    this.#startScript = startScript;
  }

  async take({ kind, id, ask }: ToWorker): Promise<void> {
    try {
      const handle = this.#handlers[kind] as (ask: unknown, id: number) => Promise<Give<RequestKind>>;
      this.#post({ kind: "answer", id, give: await handle(ask, id) });
    } catch (error) {
      this.#post({ kind: "failure", id, failure: failureOf(error) });
    }
  }

  readonly #handlers: Handlers = {
    open: async ({ assets, ...settings }) => {
      const { provider, threads, notes, ...rest } = await webRuntime({
        ...settings,
        assets,
        startScript: this.#startScript,
      });
      this.#opened = { runtime: { provider, threads, ...rest }, assets };
      return { provider, threads, notes };
    },
    train: async (request, id) => {
      const { runtime, assets } = this.#engine;
      if ([...this.#trainings.values()].some(({ isOver }) => !isOver)) {
        throw new EngineError("config", "train: an engine trains one model at a time, got a second; stop the first");
      }
      const files = request.run.kind === "resume" ? await this.#filesOf(request.run.from) : undefined;
      const training = await Training.start(request, files, { runtime, assets }, (event) =>
        this.#post({ kind: "training", id, event }),
      );
      // A training that is over is kept, with its files, until there is another.
      this.#trainings.clear();
      this.#trainings.set(id, training);
      return { training: id, ...training.info };
    },
    pause: ({ training }) => this.#done(this.#training(training).pause()),
    resume: ({ training }) => this.#done(this.#training(training).resume()),
    stop: ({ training }) => this.#done(this.#training(training).stop()),
    snapshot: ({ training }) => this.#training(training).snapshot(),
    load: async (request, id) => {
      const model = await EngineModel.load(request, this.#engine.runtime, {
        filesOf: (source) => this.#filesOf(source),
        twinOf: (of) => this.#model(of),
      });
      this.#models.set(id, model);
      return { model: id, ...model.info };
    },
    unload: async ({ model }) => {
      await this.#model(model).close();
      this.#models.delete(model);
      return null;
    },
    generate: async ({ model, prompt, options }, id) => {
      const abort = new AbortController();
      this.#generations.set(id, abort);
      try {
        return await this.#model(model).generate(prompt, options, abort.signal, (tokens) =>
          this.#post({ kind: "tokens", id, tokens }),
        );
      } finally {
        this.#generations.delete(id);
      }
    },
    cancel: ({ request }) => this.#done(this.#generations.get(request)?.abort()),
    inspect: ({ model, text, rule }) => this.#model(model).inspect(text, rule),
    listRuns: () => listRuns(),
    saveRun: async ({ name, from }) => {
      const files = await this.#filesOf(from);
      // What is no run folder is refused here, not where it is opened one day.
      MemoryRun.open(name, files);
      await saveRun(name, files);
      return null;
    },
    loadRun: ({ name }) => loadRun(name),
    deleteRun: async ({ name }) => this.#done(await deleteRun(name)),
    pack: async ({ name, from }) => new Blob([pack(name, await this.#filesOf(from))], { type: "application/zip" }),
    unpack: async ({ archive }) => unpack(new Uint8Array(await archive.arrayBuffer())),
  };

  #done = (..._done: readonly unknown[]): null => null;

  get #engine(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new EngineError("internal", "engine: it must be opened first, got a request before");
  }

  /** The files of a run folder, from wherever it is. */
  async #filesOf(source: RunSource): Promise<RunFiles> {
    switch (source.kind) {
      case "files":
        return source.files;
      case "archive":
        return unpack(new Uint8Array(await source.archive.arrayBuffer())).files;
      case "stored":
        return loadRun(source.name);
      case "training":
        return this.#training(source.training).snapshot();
    }
  }

  #training(number: number): Training {
    return this.#trainings.get(number) ?? unknown("training", number);
  }

  #model(number: number): EngineModel {
    return this.#models.get(number) ?? unknown("model", number);
  }
}

function unknown(what: string, number: number): never {
  throw new EngineError(
    "internal",
    `engine: there must be a ${what} ${number}, got none; it was closed, or never opened`,
  );
}
