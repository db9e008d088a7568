import type { ModelConfig } from "../model/config.ts";
import { type CompletionOptions, resolveCompletion } from "./completionOptions.ts";
import type { Changes } from "./completionServer.ts";
import type { FinishReason, GeneratedToken, GenerationEvent } from "./generator.ts";

/** A `CompletionServer`, here or on another thread. */
export interface CompletionPort {
  advance(changes: Changes): Promise<readonly GenerationEvent[]>;
  dispose(): Promise<void>;
}

export interface GenerateRequest extends CompletionOptions {
  /** When aborted, the text ends after the token under way. */
  readonly signal?: AbortSignal;
}

/** A whole text. */
export interface CompletionResult {
  readonly text: string;
  readonly tokens: readonly GeneratedToken[];
  /** `aborted`: by its signal. */
  readonly finish: FinishReason | "aborted";
}

/**
 * A trained model that continues texts. Any number of them may be under way: they are computed together, and what one becomes
 * does not depend on the others.
 */
export class LanguageModel {
  readonly config: ModelConfig;
  readonly #port: CompletionPort;
  readonly #open = new Map<number, Inbox>();
  #changes: { submitted: Changes["submitted"][number][]; cancelled: number[] } = { submitted: [], cancelled: [] };
  #submitted = 0;
  #isDriving = false;
  #isClosed = false;

  constructor(config: ModelConfig, port: CompletionPort) {
    this.config = config;
    this.#port = port;
  }

  /**
   * Continues a prompt, token by token. To stop early, leave the loop or abort the signal.
   *
   * @throws RangeError where an option is out of its range
   */
  async *generate(prompt: string, request: GenerateRequest = {}): AsyncGenerator<GeneratedToken, void, undefined> {
    const { signal, ...options } = request;
    const { tokens } = resolveCompletion(options);
    if (this.#isClosed) throw new Error("generate: the model must be open, got one that was closed");
    if (tokens === 0 || signal?.aborted === true) return;
    const id = this.#submitted++;
    const inbox = new Inbox();
    this.#open.set(id, inbox);
    this.#changes.submitted.push({ prompt, options });
    const abort = () => inbox.end();
    signal?.addEventListener("abort", abort, { once: true });
    this.#drive();
    try {
      for (let token = await inbox.next(); token !== undefined; token = await inbox.next()) {
        yield token;
        if (token.finish !== undefined) return;
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      // Told by its last token, or else left early.
      if (this.#open.delete(id)) this.#changes.cancelled.push(id);
    }
  }

  /** Continues a prompt to its end. */
  async complete(prompt: string, request: GenerateRequest = {}): Promise<CompletionResult> {
    const tokens: GeneratedToken[] = [];
    for await (const token of this.generate(prompt, request)) tokens.push(token);
    const aborted = request.signal?.aborted === true;
    return {
      text: tokens.map(({ text }) => text).join(""),
      tokens,
      finish: tokens.at(-1)?.finish ?? (aborted ? "aborted" : "length"),
    };
  }

  /** Ends all texts under way, and gives back what the model holds. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const inbox of this.#open.values()) inbox.end();
    await this.#port.dispose();
  }

  /** Makes steps as long as a text is under way. */
  async #drive(): Promise<void> {
    if (this.#isDriving) return;
    this.#isDriving = true;
    try {
      while (this.#open.size > 0 && !this.#isClosed) {
        const changes = this.#changes;
        this.#changes = { submitted: [], cancelled: [] };
        for (const { completion, token } of await this.#port.advance(changes)) {
          this.#open.get(completion)?.put(token);
          if (token.finish !== undefined) this.#open.delete(completion);
        }
      }
    } catch (error) {
      for (const inbox of this.#open.values()) inbox.fail(error);
      this.#open.clear();
    } finally {
      this.#isDriving = false;
    }
  }
}

/** Tokens of one text on their way to who asked for them. */
class Inbox {
  readonly #tokens: GeneratedToken[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;

  put(token: GeneratedToken): void {
    this.#tokens.push(token);
    this.#wake?.();
  }

  /** No token comes any more, not even those that wait. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#wake?.();
  }

  /** The next token, or undefined at the end. */
  async next(): Promise<GeneratedToken | undefined> {
    while (true) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#isEnded) return undefined;
      const token = this.#tokens.shift();
      if (token !== undefined) return token;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
