import { webGpuProblem } from "../../src/runtime/webGpu.ts";
import { Engine as Worker } from "../engine/client.ts";
import { BrowserModel } from "./browserModel.ts";
import { BrowserTraining } from "./browserTraining.ts";
import { runOfFiles } from "./chosenFiles.ts";
import type { DeviceReport, Engine, OpenModel, StoredRuns, TrainingEvent, TrainWish } from "./engine.ts";
import { freeName } from "./freeName.ts";

/** The engine of `web/engine` for the pages: one worker for models and the storage, and one for each training. */
export class BrowserEngine implements Engine {
  #worker: Promise<Worker> | undefined;

  async devices(): Promise<DeviceReport> {
    return { webgpuProblem: await webGpuProblem(), threads: crossOriginIsolated ? navigator.hardwareConcurrency : 1 };
  }

  async openFiles(files: readonly File[]): Promise<OpenModel> {
    const { name, from } = await runOfFiles(files);
    return BrowserModel.open(await this.#models(), { kind: "run", name, from });
  }

  train(wish: TrainWish, tell: (event: TrainingEvent) => void): BrowserTraining {
    return new BrowserTraining(wish, tell);
  }

  readonly stored: StoredRuns = {
    list: async () => (await this.#models()).runs.list(),
    open: async (name) =>
      BrowserModel.open(await this.#models(), { kind: "run", name, from: { kind: "stored", name } }),
    remove: async (name) => void (await (await this.#models()).runs.delete(name)),
    archive: async (name) => (await this.#models()).pack(name, { kind: "stored", name }),
    takeIn: async (file) => {
      const { runs } = await this.#models();
      const name = freeName(
        file.name,
        (await runs.list()).map((run) => run.name),
      );
      await runs.save(name, { kind: "archive", archive: file });
      return name;
    },
  };

  /** On one thread, which for single texts is mostly the fastest, and leaves the others to a training. */
  #models(): Promise<Worker> {
    this.#worker ??= Worker.start({ threads: 1 });
    this.#worker.catch(() => {
      this.#worker = undefined;
    });
    return this.#worker;
  }
}
