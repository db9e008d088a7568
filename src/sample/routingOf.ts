import { layerKinds } from "../model/config.ts";
import type { Rule } from "../model/rules.ts";
import type { RoutingMap } from "../render/routingMap.ts";
import type { SavedModel } from "../run/savedModel.ts";
import type { Runtime } from "../runtime/executor.ts";
import { CausalPass } from "./causalPass.ts";
import { windowsOf } from "./windowsOf.ts";

/**
 * Which layers compute which tokens of a text, `<|endoftext|>` first. A text longer than the context is read in windows that
 * each start with `<|endoftext|>`, of which only the first is shown.
 */
export async function routingOf(saved: SavedModel, text: string, rule: Rule, runtime: Runtime): Promise<RoutingMap> {
  const { tokenizer, model } = saved;
  const layers = layerKinds(model).map((kind, index) => ({ index, kind, routedThrough: [] as boolean[] }));
  const tokens: string[] = [];
  const pass = await CausalPass.create(saved, rule, runtime);
  try {
    for (const window of windowsOf([...tokenizer.encode(text)], model.seqLen - 1)) {
      const ids = [tokenizer.endOfText, ...window];
      const first = tokens.length === 0 ? 0 : 1;
      const { routedThrough } = await pass.run(ids);
      tokens.push(...ids.slice(first).map((id) => tokenizer.decode([id], { specialTokens: true })));
      for (const layer of layers) {
        const routed = routedThrough.find((candidate) => candidate.layer === layer.index)?.tokens;
        layer.routedThrough.push(...ids.slice(first).map((_, i) => (routed ? routed[i + first] === 1 : true)));
      }
    }
  } finally {
    await pass.dispose();
  }
  return { tokens, layers };
}
