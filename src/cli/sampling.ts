import { derived, routedLayers } from "../model/config.ts";
import { countLegend, renderRoutedToken } from "../render/routedText.ts";
import type { Runtime } from "../runtime/executor.ts";
import { nextTurn } from "../runtime/nextTurn.ts";
import type { CompletionOptions } from "../sample/completionOptions.ts";
import {
  type FinishReason,
  type GeneratedToken,
  type GenerativeModel,
  Generator,
  type GeneratorOptions,
} from "../sample/generator.ts";
import type { Output } from "./output.ts";

/** How what is generated is shown. */
export interface SamplingView {
  /** Texts to generate together. */
  readonly n: number;
  /** Whether tokens are marked by the routed layers that computed them. */
  readonly routing?: boolean;
  readonly output: Output;
}

/** One text as `--json` prints it. */
export interface SampledText {
  readonly text: string;
  readonly tokens: readonly number[];
  /** `interrupted`: by Ctrl-C. */
  readonly finish: FinishReason | "interrupted";
  readonly routedLayers: readonly (readonly number[])[];
  readonly logProbabilities: readonly number[];
  readonly alternatives?: readonly GeneratedToken["alternatives"][];
}

export interface Sampling {
  readonly texts: readonly SampledText[];
  /** All texts' tokens over the time from the start. */
  readonly tokensPerSecond: number;
  readonly firstTokenMs: number;
  /** Share of the generated tokens that each routed layer computed, of the tokens they were predicted from. */
  readonly capacityByLayer: Readonly<Record<number, number>>;
  /** Allocated for keys and values at the end. */
  readonly kvBytes: number;
}

/** A model that is kept ready between texts. */
export class SamplingSession {
  readonly #saved: GenerativeModel;
  readonly #generator: Generator;

  private constructor(saved: GenerativeModel, generator: Generator) {
    this.#saved = saved;
    this.#generator = generator;
  }

  static async open(saved: GenerativeModel, runtime: Runtime, options: GeneratorOptions): Promise<SamplingSession> {
    return new SamplingSession(saved, await Generator.create(saved, runtime, options));
  }

  get #nRouted(): number {
    return derived(this.#saved.model).nRouted;
  }

  close(): Promise<void> {
    return this.#generator.dispose();
  }

  /** Generates texts and shows them: one as it comes, several each when it is complete. Ctrl-C ends them early. */
  async generate(prompt: string, settings: CompletionOptions, view: SamplingView): Promise<Sampling> {
    const { n, output } = view;
    const seed = settings.seed ?? 0;
    const started = performance.now();
    const ids = Array.from({ length: n }, (_, i) => this.#generator.submit(prompt, { ...settings, seed: seed + i }));
    const texts = new Map(ids.map((id) => [id, [] as GeneratedToken[]]));
    const interruption = catchInterrupt();
    let firstTokenMs: number | undefined;
    if (n === 1) output.writeText(prompt);
    while (!this.#generator.isIdle && !interruption.isSet) {
      for (const { completion, token } of await this.#generator.step()) {
        firstTokenMs ??= performance.now() - started;
        texts.get(completion)!.push(token);
        if (n === 1) this.#write(token, view);
        else if (token.finish !== undefined)
          this.#writeWhole(prompt, texts.get(completion)!, completion - ids[0]!, view);
      }
      await nextTurn(); // lets Ctrl-C in: a step holds this thread
    }
    const seconds = (performance.now() - started) / 1000;
    const kvBytes = this.#generator.cacheBytes;
    interruption.release();
    for (const id of ids) this.#generator.cancel(id);
    if (n === 1) output.print();
    if (view.routing) output.print(`\n${countLegend(this.#nRouted, output.style)}`);
    const all = [...texts.values()];
    return {
      texts: all.map((tokens) => sampledText(tokens, settings)),
      tokensPerSecond: all.flat().length / seconds,
      firstTokenMs: firstTokenMs ?? 0,
      capacityByLayer: this.#capacities(all.flat()),
      kvBytes,
    };
  }

  #write(token: GeneratedToken, { routing, output }: SamplingView): void {
    if (!routing) output.writeText(token.text);
    else output.write(renderRoutedToken(token.text, token.routedLayers.length, this.#nRouted, output.style));
  }

  #writeWhole(prompt: string, tokens: readonly GeneratedToken[], index: number, view: SamplingView): void {
    view.output.print(`${index === 0 ? "" : "\n"}── ${index + 1} of ${view.n}`);
    view.output.writeText(prompt);
    for (const token of tokens) this.#write(token, view);
    view.output.print();
  }

  #capacities(tokens: readonly GeneratedToken[]): Record<number, number> {
    const share = (layer: number) =>
      tokens.filter((token) => token.routedLayers.includes(layer)).length / Math.max(1, tokens.length);
    return Object.fromEntries(routedLayers(this.#saved.model).map((layer) => [layer, share(layer)]));
  }
}

function sampledText(tokens: readonly GeneratedToken[], { alternatives = 0 }: CompletionOptions): SampledText {
  return {
    text: tokens.map(({ text }) => text).join(""),
    tokens: tokens.map(({ id }) => id),
    finish: tokens.at(-1)?.finish ?? "interrupted",
    routedLayers: tokens.map(({ routedLayers }) => routedLayers),
    logProbabilities: tokens.map(({ logProbability }) => logProbability),
    ...(alternatives > 0 && { alternatives: tokens.map((token) => token.alternatives) }),
  };
}

/** Speed and realised capacity, for people. */
export function printSampling(
  { tokensPerSecond, firstTokenMs, capacityByLayer }: Omit<Sampling, "texts">,
  output: Output,
) {
  const capacities = Object.entries(capacityByLayer).map(([layer, share]) => `${layer}: ${(100 * share).toFixed(1)} %`);
  const routed = capacities.length === 0 ? "" : `; computed by layer ${capacities.join(", ")}`;
  output.note(`\n${tokensPerSecond.toFixed(0)} tokens/s, first token after ${firstTokenMs.toFixed(0)} ms${routed}`);
}

/** Ctrl-C, until it is released, sets a flag instead of ending the process; the exit code tells of it. */
function catchInterrupt() {
  const state = { isSet: false, release: () => {} };
  const interrupt = () => {
    state.isSet = true;
    process.exitCode = 130;
  };
  process.once("SIGINT", interrupt);
  state.release = () => process.off("SIGINT", interrupt);
  return state;
}
