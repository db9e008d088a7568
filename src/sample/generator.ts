import type { CausalRule } from "../model/causalRule.ts";
import { type ModelConfig, routedLayers } from "../model/config.ts";
import { hashText, uniform } from "../random.ts";
import { calibratedThresholds } from "../run/calibrations.ts";
import type { SavedModel } from "../run/savedModel.ts";
import type { Runtime } from "../runtime/executor.ts";
import { chooseRule } from "./chooseRule.ts";
import { type CompletionOptions, resolveCompletion } from "./completionOptions.ts";
import { Decoder, type DecoderOptions, type StepOutput } from "./decoder.ts";
import { type SamplerOptions, sampleToken, type TokenLogProbability, topLogProbabilities } from "./sampler.ts";
import { TextStream } from "./textStream.ts";

/** Why a text ended: its tokens were used up, a stop string came, or the model ended the document. */
export type FinishReason = "length" | "stop" | "end";

/** One generated token. */
export interface GeneratedToken {
  readonly id: number;
  /**
   * What it adds to the text. A character of several tokens comes with the last of them; what may begin a stop string comes
   * when it is known not to.
   */
  readonly text: string;
  /** Of the model's distribution at temperature 1, nats. */
  readonly logProbability: number;
  /** Routed layers that computed the token before it, from which it was predicted. */
  readonly routedLayers: readonly number[];
  /** The likeliest tokens in its place, if asked for. */
  readonly alternatives?: readonly TokenLogProbability[];
  /** Given with the last token. Where the model ends the document that is the end-of-text token, which is no text. */
  readonly finish?: FinishReason;
}

/** A token of one of the texts under way. */
export interface GenerationEvent {
  /** Number that `submit` returned. */
  readonly completion: number;
  readonly token: GeneratedToken;
}

export interface GeneratorOptions extends Omit<DecoderOptions, "rule" | "runtime"> {
  /** The model's own causal rule, if not given. */
  readonly rule?: CausalRule;
  /** Whether the thresholds are those that `mod calibrate` measured. */
  readonly calibrated?: boolean;
  /** Most texts that are continued together; more wait. 64 if not given. */
  readonly maxBatch?: number;
}

/** What a generator needs of a model. */
export type GenerativeModel = Pick<SavedModel, "dir" | "step" | "model" | "parameters" | "tokenizer" | "calibrations">;

const STREAM = hashText("sampling");

/**
 * Continues several texts together, token by token. Texts join while others are under way, and leave when they end; what one
 * becomes does not depend on the others.
 *
 * A text that outgrows the trained context goes on from its last `seqLen / 2` tokens, which are read again as a prompt.
 */
export class Generator {
  readonly #model: GenerativeModel;
  readonly #decoder: Decoder;
  readonly #maxBatch: number;
  readonly #waiting: Completion[] = [];
  /** In the order of the decoder's sequences. */
  readonly #active: Completion[] = [];
  #submitted = 0;

  private constructor(model: GenerativeModel, decoder: Decoder, maxBatch: number) {
    this.#model = model;
    this.#decoder = decoder;
    this.#maxBatch = maxBatch;
  }

  static async create(saved: GenerativeModel, runtime: Runtime, options: GeneratorOptions = {}): Promise<Generator> {
    const { maxBatch = 64, calibrated = false, ...rest } = options;
    const rule = chooseRule(saved, options.rule);
    const thresholds = calibrated ? { thresholds: calibratedThresholds(saved, rule) } : {};
    const decoderOptions = { ...rest, ...thresholds, rule, runtime };
    return new Generator(saved, await Decoder.create(saved.model, saved.parameters, decoderOptions), maxBatch);
  }

  get config(): ModelConfig {
    return this.#model.model;
  }

  /** Whether no text is under way. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#active.length === 0;
  }

  /** Allocated for keys and values. */
  get cacheBytes(): number {
    return this.#decoder.cacheBytes;
  }

  /**
   * Adds a text to those under way, and returns its number.
   *
   * @throws RangeError where an option is out of its range
   */
  submit(prompt: string, options: CompletionOptions = {}): number {
    const id = this.#submitted++;
    const completion = new Completion(id, this.#model, prompt, options);
    if (completion.limit > 0) this.#waiting.push(completion);
    return id;
  }

  /** Ends a text; it gives no more tokens. */
  cancel(completion: number): void {
    for (const list of [this.#waiting, this.#active]) {
      const at = list.findIndex(({ id }) => id === completion);
      if (at === -1) continue;
      if (list === this.#active) this.#leave(at);
      else list.splice(at, 1);
    }
  }

  /** The next token of each text under way; a text that waited joins with its first. */
  async step(): Promise<GenerationEvent[]> {
    const events: GenerationEvent[] = [];
    const joining = this.#takeFull();
    if (this.#active.length > 0) {
      const output = await this.#decoder.step(Int32Array.from(this.#active, ({ last }) => last));
      for (const [i, completion] of this.#active.entries()) events.push(this.#draw(completion, output, i));
    }
    // One new text a step, so that a crowd of them does not keep the others waiting.
    if (this.#waiting.length > 0 && this.#active.length + joining.length < this.#maxBatch) {
      joining.push(this.#waiting.shift()!);
    }
    for (const completion of joining) events.push(await this.#join(completion));
    for (let i = this.#active.length - 1; i >= 0; i--) if (this.#active[i]!.isFinished) this.#leave(i);
    return events;
  }

  dispose(): Promise<void> {
    return this.#decoder.dispose();
  }

  /** Takes out the texts that have filled the context. */
  #takeFull(): Completion[] {
    const full: Completion[] = [];
    for (let i = this.#active.length - 1; i >= 0; i--) {
      if (this.#decoder.lengths(i).tokens < this.#model.model.seqLen) continue;
      full.push(this.#active[i]!);
      this.#leave(i);
    }
    return full;
  }

  /** Reads a text as a prompt, and draws its next token. */
  async #join(completion: Completion): Promise<GenerationEvent> {
    const { seqLen } = this.#model.model;
    const { sequence, seed } = completion;
    const window = sequence.length > seqLen ? sequence.slice(-Math.max(1, Math.floor(seqLen / 2))) : sequence;
    const { logits, routedThrough } = await this.#decoder.add(window, { seed, sequence: 0 });
    this.#active.push(completion);
    return this.#draw(completion, { logits, routedThrough: routedThrough.map((decisions) => decisions.slice(-1)) }, 0);
  }

  #draw(completion: Completion, { logits, routedThrough }: StepOutput, row: number): GenerationEvent {
    const { vocabSize } = this.#model.model;
    const layers = routedLayers(this.#model.model).filter((_, i) => routedThrough[i]![row] === 1);
    const own = logits.subarray(row * vocabSize, (row + 1) * vocabSize);
    return { completion: completion.id, token: completion.draw(own, layers) };
  }

  #leave(i: number): void {
    this.#decoder.remove(i);
    const last = this.#active.pop()!;
    if (i < this.#active.length) this.#active[i] = last;
  }
}

/** One text under way. */
class Completion {
  readonly id: number;
  /** Most tokens to generate. */
  readonly limit: number;
  readonly seed: number;
  /** All tokens so far, the prompt's first. */
  readonly sequence: number[];
  readonly #options: SamplerOptions;
  readonly #alternatives: number;
  readonly #endOfText: number;
  readonly #text: TextStream;
  /** What a repetition penalty applies to; kept only where there is one. */
  readonly #seen: Set<number> | undefined;
  #generated = 0;
  #isFinished = false;

  constructor(id: number, { tokenizer }: GenerativeModel, prompt: string, options: CompletionOptions) {
    const { tokens, seed, stop, alternatives, sampler } = resolveCompletion(options);
    this.id = id;
    this.limit = tokens;
    this.seed = seed;
    this.sequence = [tokenizer.endOfText, ...tokenizer.encode(prompt)];
    this.#options = sampler;
    this.#alternatives = alternatives;
    this.#endOfText = tokenizer.endOfText;
    this.#text = new TextStream((token) => tokenizer.tokenBytes(token), stop);
    this.#seen = this.#options.repetitionPenalty === 1 ? undefined : new Set(this.sequence);
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  get last(): number {
    return this.sequence.at(-1)!;
  }

  /** The next token, from the logits [V] after the last one. */
  draw(logits: Float32Array, routedLayers: readonly number[]): GeneratedToken {
    const drawn = sampleToken(logits, this.#options, uniform(STREAM, this.seed, this.#generated++), this.#seen);
    this.sequence.push(drawn.id);
    this.#seen?.add(drawn.id);
    return {
      ...drawn,
      ...this.#textOf(drawn.id),
      routedLayers,
      ...(this.#alternatives > 0 && { alternatives: topLogProbabilities(logits, this.#alternatives) }),
    };
  }

  #textOf(id: number): Pick<GeneratedToken, "text" | "finish"> {
    if (id === this.#endOfText) return this.#finish("end", this.#text.end());
    const { text, stopped } = this.#text.push(id);
    if (stopped) return this.#finish("stop", text);
    if (this.#generated === this.limit) return this.#finish("length", text + this.#text.end());
    return { text };
  }

  #finish(finish: FinishReason, text: string): Pick<GeneratedToken, "text" | "finish"> {
    this.#isFinished = true;
    return { text, finish };
  }
}
