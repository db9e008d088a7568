import type { CausalRule, Rule } from "../../src/browser.ts";
import { modelSummary } from "../../src/ui/modelSummary.ts";
import type { Engine, LoadedModel } from "../engine/client.ts";
import type { ModelSource } from "../engine/protocol.ts";
import type { GeneratedToken, GenerateOptions, Inspection, OpenModel } from "./engine.ts";

/** Tokens that a model writes before its speed is compared: browsers compile WebAssembly better once it has run for a while. */
const WARM_UP = 100;

/** A model in the worker. */
export class BrowserModel implements OpenModel {
  readonly name: string;
  readonly summary: OpenModel["summary"];
  readonly #engine: Engine;
  readonly #source: ModelSource;
  readonly #own: LoadedModel;
  /** The same model under other rules: a decoder is built for one. */
  readonly #others = new Map<string, Promise<LoadedModel>>();
  #twin: Promise<BrowserModel> | undefined;

  private constructor(engine: Engine, source: ModelSource, own: LoadedModel) {
    this.name = own.info.name;
    this.summary = modelSummary(own.info.config);
    this.#engine = engine;
    this.#source = source;
    this.#own = own;
  }

  static async open(engine: Engine, source: ModelSource, warmUp = 0): Promise<BrowserModel> {
    return new BrowserModel(engine, source, await engine.load({ source, warmUp }));
  }

  inspect(text: string, rule: string | undefined): Promise<Inspection> {
    return this.#own.inspect(text, rule as Rule | undefined);
  }

  async *generate(prompt: string, options: GenerateOptions): AsyncGenerator<GeneratedToken> {
    const { rule, signal, ...rest } = options;
    const model = await this.#under(rule);
    for await (const token of model.generate(prompt, rest)) {
      if (signal.aborted) return;
      yield token;
    }
  }

  denseTwin(): Promise<OpenModel> {
    this.#twin ??= this.#makeTwin();
    this.#twin.catch(() => {
      this.#twin = undefined;
    });
    return this.#twin;
  }

  async close(): Promise<void> {
    const twin = await this.#twin?.catch(() => undefined);
    const others = await Promise.allSettled(this.#others.values());
    await twin?.close();
    for (const other of others) if (other.status === "fulfilled") await other.value.close();
    await this.#own.close();
  }

  #under(rule: string | undefined): Promise<LoadedModel> {
    if (rule === undefined || rule === this.#own.info.rule) return Promise.resolve(this.#own);
    const known = this.#others.get(rule) ?? this.#engine.load({ source: this.#source, rule: rule as CausalRule });
    this.#others.set(rule, known);
    known.catch(() => this.#others.delete(rule));
    return known;
  }

  async #makeTwin(): Promise<BrowserModel> {
    for await (const _ of this.#own.generate("", { tokens: WARM_UP }));
    return BrowserModel.open(this.#engine, { kind: "denseTwin", of: this.#own.info.model }, WARM_UP);
  }
}
