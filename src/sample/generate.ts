import type { Runtime } from "../runtime/executor.ts";
import type { CompletionOptions } from "./completionOptions.ts";
import { type GeneratedToken, type GenerativeModel, Generator, type GeneratorOptions } from "./generator.ts";

export interface GenerateOptions extends CompletionOptions, Omit<GeneratorOptions, "maxBatch"> {
  /** When aborted, the text ends after the token under way. */
  readonly signal?: AbortSignal;
}

/** Continues one prompt, token by token, under a causal rule from the prompt's first token on; see {@link Generator}. */
export async function* generate(
  saved: GenerativeModel,
  prompt: string,
  runtime: Runtime,
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken, void, undefined> {
  const { signal, ...rest } = options;
  const generator = await Generator.create(saved, runtime, rest);
  try {
    generator.submit(prompt, rest);
    while (!generator.isIdle && signal?.aborted !== true) {
      for (const { token } of await generator.step()) yield token;
    }
  } finally {
    await generator.dispose();
  }
}
