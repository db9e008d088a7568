import type { LayerExperts } from "../model/expertHealth.ts";
import type { Rule } from "../model/rules.ts";
import type { RoutingMap } from "../render/routingMap.ts";
import type { Runtime } from "../runtime/executor.ts";
import { type InspectableModel, inspectText } from "./inspector.ts";

/** A routing map, and how the experts were used, one entry for each layer of them. */
export interface TextRouting extends RoutingMap {
  readonly expertUse?: readonly LayerExperts[];
}

/** Which layers, and which of their experts, compute which tokens of a text: of an inspection what a map draws. */
export async function routingOf(
  saved: InspectableModel,
  text: string,
  rule: Rule,
  runtime: Runtime,
): Promise<TextRouting> {
  const { tokens, layers, expertUse } = await inspectText(saved, text, rule, runtime);
  const drawn = layers.map(({ index, kind, routedThrough, experts }) => ({
    ...{ index, kind, routedThrough },
    ...(experts && { experts }),
  }));
  return { tokens, layers: drawn, ...(expertUse && { expertUse }) };
}
