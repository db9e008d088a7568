import type { RoutingMap, RoutingMapLayer } from "../routingMap.ts";

const TEXT =
  "The President of the United States said that the economy grew by 4 percent last year, and that <unknown> & unemployment fell.\n\tWe must do more: für Bürger, für 人民, and for science 🚀! ";

/** A map of a text with every other layer routed: plausible, and the same each time. */
export function exampleMap(nLayer: number, nTokens: number, capacityRatio = 0.125): RoutingMap {
  const pieces = TEXT.match(/\s?[\p{L}]{1,6}|\d|\s|[^\p{L}\s]/gu)!;
  const tokens = Array.from({ length: nTokens }, (_, i) => pieces[i % pieces.length]!);
  const layers = Array.from({ length: nLayer }, (_, index) => exampleLayer(index, tokens, capacityRatio));
  return { tokens, layers, title: `Mixture-of-Depths, ${nLayer} layers, capacity ${capacityRatio * 100} %` };
}

/** A dense layer below one of experts: two tokens by one expert, one by two, one by none. */
export const expertMap = (): RoutingMap => ({
  tokens: ["a", "b", "c", "d"],
  layers: [
    { index: 0, kind: "dense", routedThrough: [true, true, true, true] },
    { index: 1, kind: "moe", routedThrough: [true, true, true, true], experts: [[3], [], [1, 4], [0]] },
  ],
});

function exampleLayer(index: number, tokens: readonly string[], capacityRatio: number): RoutingMapLayer {
  if (index % 2 === 0) return { index, kind: "dense", routedThrough: tokens.map(() => true) };
  const capacity = Math.max(1, Math.round(capacityRatio * tokens.length));
  const score = (i: number): number => Math.sin(i * 12.9898 + index * 3.7) + tokens[i]!.length * 0.15;
  const order = tokens.map((_, i) => i).sort((a, b) => score(b) - score(a));
  const chosen = new Set(order.slice(0, capacity));
  return { index, kind: "mod", routedThrough: tokens.map((_, i) => chosen.has(i)) };
}
