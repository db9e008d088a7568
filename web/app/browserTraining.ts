import { modelSummary } from "../../src/ui/modelSummary.ts";
import { Engine, EngineFailed, type RunningTraining } from "../engine/client.ts";
import type { Training, TrainingEvent, TrainWish } from "./engine.ts";
import { trainingRequest } from "./trainingRequest.ts";

interface Started {
  readonly engine: Engine;
  readonly running: RunningTraining;
}

/** A training in a worker of its own, which ends with it. */
export class BrowserTraining implements Training {
  readonly #tell: (event: TrainingEvent) => void;
  readonly #started: Promise<Started>;
  #engine: Engine | undefined;
  #isClosed = false;

  constructor(wish: TrainWish, tell: (event: TrainingEvent) => void) {
    this.#tell = (event) => this.#isClosed || tell(event);
    this.#started = this.#start(wish);
    this.#started.catch((error: Error) => this.#tell({ kind: "failed", step: 0, error: failureOf(error) }));
  }

  pause = async (): Promise<void> => void (await (await this.#started).running.pause());
  resume = async (): Promise<void> => void (await (await this.#started).running.resume());
  stop = async (): Promise<void> => void (await (await this.#started).running.stop());

  async save(name: string): Promise<void> {
    const { engine, running } = await this.#started;
    await engine.runs.save(name, running.source);
  }

  async archive(name: string): Promise<Blob> {
    const { engine, running } = await this.#started;
    return engine.pack(name, running.source);
  }

  close(): void {
    this.#isClosed = true;
    this.#engine?.close();
  }

  async #start({ device, ...wish }: TrainWish): Promise<Started> {
    const engine = await Engine.start({ provider: device });
    this.#engine = engine;
    if (this.#isClosed) engine.close();
    const running = await engine.train(trainingRequest(wish), this.#tell);
    const { model, parameters, textTokens } = running.info;
    this.#tell({ kind: "model", summary: modelSummary(model), parameters, textTokens, notes: engine.info.notes });
    return { engine, running };
  }
}

const failureOf = (error: Error) => ({
  code: error instanceof EngineFailed ? error.code : ("internal" as const),
  message: error.message,
});
