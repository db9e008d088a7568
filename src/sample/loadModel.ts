import type { ModelConfig } from "../model/config.ts";
import { openSavedModel } from "../run/openSavedModel.ts";
import type { CheckpointChoice } from "../run/savedModel.ts";
import type { Runtime } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";
import type { CompletionWorkerData } from "./completionWorker.ts";
import type { GenerationEvent, GeneratorOptions } from "./generator.ts";
import { LanguageModel } from "./languageModel.ts";
import { localModel } from "./localModel.ts";

export interface LoadOptions extends GeneratorOptions {
  /** `best` if not given. */
  readonly checkpoint?: CheckpointChoice;
  /** Where the model runs; Node's, with all threads, if not given. */
  readonly runtime?: Runtime;
}

/**
 * Opens the model of a run folder to continue texts. It computes on a thread of its own, so that the caller's event loop stays
 * free; with a runtime that has no threads, here.
 *
 * @throws where the folder holds no trained model, or one that was not trained for the rule
 */
export async function loadModel(dir: string, options: LoadOptions = {}): Promise<LanguageModel> {
  const { checkpoint = "best", runtime = nodeRuntime(), ...generator } = options;
  if (runtime.startWorker !== undefined) {
    const data: CompletionWorkerData = { dir, checkpoint, threads: runtime.threads, generator };
    const worker = await runtime.startWorker("sample/completionWorker", data);
    const config = (await worker.call("describe", [])) as ModelConfig;
    return new LanguageModel(config, {
      advance: async (changes) => (await worker.call("advance", [changes])) as readonly GenerationEvent[],
      dispose: () => worker.stop(),
    });
  }
  const saved = openSavedModel(dir, checkpoint);
  return localModel(saved, runtime, generator);
}
