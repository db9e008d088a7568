import type { Runtime } from "../runtime/executor.ts";
import { nextTurn } from "../runtime/nextTurn.ts";
import { CompletionServer } from "./completionServer.ts";
import { type GenerativeModel, Generator, type GeneratorOptions } from "./generator.ts";
import { LanguageModel } from "./languageModel.ts";

/** A model that computes on this thread. Its steps hold the thread: others get their turn between messages of tokens. */
export async function localModel(
  saved: GenerativeModel,
  runtime: Runtime,
  options: GeneratorOptions = {},
): Promise<LanguageModel> {
  const server = new CompletionServer(await Generator.create(saved, runtime, options));
  return new LanguageModel(saved.model, {
    advance: async (changes) => {
      await nextTurn();
      return server.advance(changes);
    },
    dispose: () => server.dispose(),
  });
}
