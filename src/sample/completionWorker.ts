import { openSavedModel } from "../run/openSavedModel.ts";
import type { CheckpointChoice } from "../run/savedModel.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { serve } from "../runtime/worker.ts";
import { CompletionServer } from "./completionServer.ts";
import { Generator, type GeneratorOptions } from "./generator.ts";

/** A model of a run folder, on a thread of its own. */
export interface CompletionWorkerData {
  readonly dir: string;
  readonly checkpoint: CheckpointChoice;
  readonly threads: number;
  readonly generator: GeneratorOptions;
}

await serve(async ({ dir, checkpoint, threads, generator }: CompletionWorkerData) => {
  const saved = openSavedModel(dir, checkpoint);
  return new CompletionServer(await Generator.create(saved, nodeRuntime({ threads }), generator));
});
