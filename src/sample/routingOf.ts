import type { Rule } from "../model/rules.ts";
import type { RoutingMap } from "../render/routingMap.ts";
import type { Runtime } from "../runtime/executor.ts";
import { type InspectableModel, inspectText } from "./inspect.ts";

/**
 * Which layers compute which tokens of a text, `<|endoftext|>` first. A text longer than the context is read in windows that
 * each start with `<|endoftext|>`, of which only the first is shown.
 */
export async function routingOf(
  saved: InspectableModel,
  text: string,
  rule: Rule,
  runtime: Runtime,
): Promise<RoutingMap> {
  const { tokens, layers } = await inspectText(saved, text, rule, runtime);
  return { tokens, layers: layers.map(({ index, kind, routedThrough }) => ({ index, kind, routedThrough })) };
}
