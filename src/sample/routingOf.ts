import { layerKinds } from "../model/config.ts";
import { ExpertTotals, type LayerExperts } from "../model/expertHealth.ts";
import type { Rule } from "../model/rules.ts";
import type { RoutingMap } from "../render/routingMap.ts";
import type { SavedModel } from "../run/savedModel.ts";
import type { Runtime } from "../runtime/executor.ts";
import { CausalPass, type PassResult } from "./causalPass.ts";
import { windowsOf } from "./windowsOf.ts";

/** A routing map, and how the experts were used, one entry for each layer of them. */
export interface TextRouting extends RoutingMap {
  readonly expertUse: readonly LayerExperts[];
}

/**
 * Which layers, and which of their experts, compute which tokens of a text, `<|endoftext|>` first. A text longer than the context
 * is read in windows that each start with `<|endoftext|>`, of which only the first is shown.
 */
export async function routingOf(saved: SavedModel, text: string, rule: Rule, runtime: Runtime): Promise<TextRouting> {
  const { tokenizer, model } = saved;
  const layers = layerKinds(model).map(newLayer);
  const totals = new ExpertTotals(model);
  const tokens: string[] = [];
  const pass = await CausalPass.create(saved, rule, runtime);
  try {
    for (const window of windowsOf([...tokenizer.encode(text)], model.seqLen - 1)) {
      const ids = [tokenizer.endOfText, ...window];
      const shown = ids.map((_, i) => i).slice(tokens.length === 0 ? 0 : 1);
      const result = await pass.run(ids);
      tokens.push(...shown.map((i) => tokenizer.decode([ids[i]!], { specialTokens: true })));
      for (const layer of layers) addTokens(layer, result, shown);
      totals.add(result.outputs, shown);
    }
  } finally {
    await pass.dispose();
  }
  const kept = layers.map(({ experts, ...layer }) => (experts.length > 0 ? { ...layer, experts } : layer));
  return { tokens, layers: kept, expertUse: totals.result() };
}

const newLayer = (kind: string, index: number) => ({
  ...{ index, kind },
  routedThrough: [] as boolean[],
  experts: [] as (readonly number[])[],
});

function addTokens(layer: ReturnType<typeof newLayer>, result: PassResult, shown: readonly number[]): void {
  const routed = result.routedThrough.find((candidate) => candidate.layer === layer.index)?.tokens;
  const experts = result.experts.find((candidate) => candidate.layer === layer.index)?.tokens;
  for (const i of shown) {
    layer.routedThrough.push(routed === undefined || routed[i] === 1);
    if (experts !== undefined) layer.experts.push(experts[i]!);
  }
}
