import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { layerKinds, type ModelConfig, routedLayers } from "../model/config.ts";
import type { Rule } from "../model/rules.ts";
import type { SavedModel } from "../run/savedModel.ts";
import { type Executor, floats, type HostTensors, type Runtime } from "../runtime/executor.ts";

/** One layer of an inspected text; lists have an entry for each token. */
export interface InspectedLayer {
  readonly index: number;
  /** "dense" computes every token; any other kind routes. */
  readonly kind: string;
  readonly routedThrough: readonly boolean[];
  /** r; missing for a dense layer. */
  readonly routerWeights?: readonly number[];
  /** Whether r is among the C largest of its window; missing for a dense layer. */
  readonly top?: readonly boolean[];
  /** Missing where the layer has no predictor. */
  readonly predictorLogits?: readonly number[];
}

/** What a model did with a text, token by token, `<|endoftext|>` first. */
export interface Inspection {
  readonly rule: Rule;
  readonly tokens: readonly string[];
  /** −ln p of each token, given those before it in its window; null for the first, which nothing foretells. */
  readonly lossNats: readonly (number | null)[];
  /** Of the distribution that the token was foretold by, nats; null for the first. */
  readonly entropyNats: readonly (number | null)[];
  readonly layers: readonly InspectedLayer[];
  /** Where windows begin, as places in `tokens`. */
  readonly windows: readonly number[];
}

/** What inspecting needs of a model. */
export type InspectableModel = Pick<SavedModel, "model" | "parameters" | "tokenizer">;

type Growing<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/**
 * Runs a text through a model and keeps what each layer decided and why. A text longer than the context is read in windows
 * that each start with `<|endoftext|>`, of which only the first is shown.
 *
 * @throws where the model was not trained for the rule
 */
export async function inspectText(
  saved: InspectableModel,
  text: string,
  rule: Rule,
  runtime: Runtime,
): Promise<Inspection> {
  const { tokenizer, model } = saved;
  const executor = await runtime.compile(causalGraph(model, rule, "logits", { predictorLogits: true }));
  const found = emptyInspection(model, rule);
  try {
    for (const window of windowsOf([...tokenizer.encode(text)], model.seqLen - 1)) {
      const ids = [tokenizer.endOfText, ...window];
      const outputs = await runWindow(executor, saved, ids);
      const first = found.tokens.length === 0 ? 0 : 1;
      found.windows.push(found.tokens.length);
      found.tokens.push(...ids.slice(first).map((id) => tokenizer.decode([id], { specialTokens: true })));
      addForetelling(found, floats(outputs, "logits"), ids, first);
      addDecisions(found, outputs, model, ids.length, first);
    }
  } finally {
    await executor.dispose();
  }
  return found;
}

function emptyInspection(model: ModelConfig, rule: Rule) {
  const layers = layerKinds(model).map((kind, index): Growing<InspectedLayer> => ({ index, kind, routedThrough: [] }));
  return {
    ...{ rule, layers, tokens: [] as string[], windows: [] as number[] },
    ...{ lossNats: [] as (number | null)[], entropyNats: [] as (number | null)[] },
  };
}

type Found = ReturnType<typeof emptyInspection>;

function runWindow(executor: Executor, { model, parameters }: InspectableModel, ids: readonly number[]) {
  const batch = { tokens: Int32Array.from(ids), lengths: [ids.length], width: ids.length };
  return executor.run({ ...causalFeeds({ ...batch, noiseKeys: [{ seed: 0, sequence: 0 }] }, model), ...parameters });
}

function addForetelling(found: Found, logits: Float32Array, ids: readonly number[], first: number): void {
  const vocabSize = logits.length / ids.length;
  for (let t = first; t < ids.length; t++) {
    const foretold = t === 0 ? null : surprise(logits.subarray((t - 1) * vocabSize, t * vocabSize), ids[t]!);
    found.lossNats.push(foretold?.lossNats ?? null);
    found.entropyNats.push(foretold?.entropyNats ?? null);
  }
}

/** −ln p of a token and the entropy −Σ p ln p under the softmax of logits [V]. */
export function surprise(logits: Float32Array, token: number): { lossNats: number; entropyNats: number } {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let [sum, weighted] = [0, 0];
  for (const logit of logits) {
    const power = Math.exp(logit - largest);
    sum += power;
    weighted += power * (logit - largest);
  }
  const logSum = Math.log(sum);
  return { lossNats: logSum - (logits[token]! - largest), entropyNats: logSum - weighted / sum };
}

function addDecisions({ layers }: Found, outputs: HostTensors, model: ModelConfig, width: number, first: number): void {
  const routed = routedLayers(model);
  for (const layer of layers) {
    const i = routed.indexOf(layer.index);
    const list = (name: string) => Array.from(outputs[`${name}.${i}`]!.data as ArrayLike<number>).slice(first);
    if (i === -1) {
      layer.routedThrough.push(...Array<boolean>(width - first).fill(true));
      continue;
    }
    layer.routedThrough.push(...list("routedThrough").map(Boolean));
    layer.routerWeights = [...(layer.routerWeights ?? []), ...list("routerWeights")];
    layer.top = [...(layer.top ?? []), ...list("top").map(Boolean)];
    if (outputs[`predictorLogits.${i}`] === undefined) continue;
    layer.predictorLogits = [...(layer.predictorLogits ?? []), ...list("predictorLogits")];
  }
}

/** Stretches of at most `size`; one empty stretch for an empty text. */
function windowsOf(ids: readonly number[], size: number): (readonly number[])[] {
  const count = Math.max(1, Math.ceil(ids.length / Math.max(1, size)));
  return Array.from({ length: count }, (_, i) => ids.slice(i * size, (i + 1) * size));
}
