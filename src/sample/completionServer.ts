import type { ModelConfig } from "../model/config.ts";
import type { CompletionOptions } from "./completionOptions.ts";
import type { GenerationEvent, Generator } from "./generator.ts";

/** What changes before the next steps. */
export interface Changes {
  readonly submitted: readonly { readonly prompt: string; readonly options: CompletionOptions }[];
  /** Numbers of texts that end now. */
  readonly cancelled: readonly number[];
}

/** Steps are told of together if they take less than this: each message between threads costs some 50 µs. */
const MESSAGE_MS = 8;

/** A generator as it is driven from another thread: by few calls, whose arguments and results can be copied. */
export class CompletionServer {
  readonly #generator: Generator;

  constructor(generator: Generator) {
    this.#generator = generator;
  }

  async describe(): Promise<ModelConfig> {
    return this.#generator.config;
  }

  /** Applies the changes, then makes steps, at least one, until there is something to tell. */
  async advance({ submitted, cancelled }: Changes): Promise<readonly GenerationEvent[]> {
    for (const { prompt, options } of submitted) this.#generator.submit(prompt, options);
    for (const completion of cancelled) this.#generator.cancel(completion);
    const events: GenerationEvent[] = [];
    const started = performance.now();
    while (!this.#generator.isIdle && performance.now() - started < MESSAGE_MS) {
      events.push(...(await this.#generator.step()));
    }
    return events;
  }

  dispose(): Promise<void> {
    return this.#generator.dispose();
  }
}
