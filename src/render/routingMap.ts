/** A routing map: which tokens went through which layers, as plain data, and what every picture of one needs to know. */

export interface RoutingMapLayer {
  readonly index: number;
  /** "dense" and "moe" compute every token; "mod" and "mode" route. */
  readonly kind: string;
  /** Per token: true where it was computed by the layer, false where it went around. */
  readonly routedThrough: readonly boolean[];
}

export interface RoutingMap {
  /** The text of each token, as it stands in the document. */
  readonly tokens: readonly string[];
  readonly layers: readonly RoutingMapLayer[];
  readonly title?: string | undefined;
}

/** Said in every picture, since it could as well be the other way round. */
export const ROW_ORDER = "layer 0 at the bottom";

export function isDense(layer: RoutingMapLayer): boolean {
  return layer.kind === "dense" || layer.kind === "moe";
}

/** Layers in the order of a picture's rows, from top to bottom: the highest first, as in the paper's figures. */
export function rowsFromTop(map: RoutingMap): readonly RoutingMapLayer[] {
  return [...map.layers].sort((a, b) => b.index - a.index);
}

/** Realised share of the tokens that went through a layer, such as `12.5 %`. */
export function shareText(layer: RoutingMapLayer): string {
  const through = layer.routedThrough.filter(Boolean).length;
  return `${((100 * through) / layer.routedThrough.length).toFixed(1)} %`;
}

/** Per token: how many routing layers it went through. Dense layers, which take every token, don't count. */
export function routedCounts(map: RoutingMap): number[] {
  const routing = map.layers.filter((layer) => !isDense(layer));
  return map.tokens.map((_, i) => routing.filter(({ routedThrough }) => routedThrough[i]).length);
}

/** Refuses a map that can't be drawn; `where` opens the error. */
export function checkRoutingMap(map: RoutingMap, where: string): void {
  if (map.tokens.length === 0) throw new Error(`${where}: a map must have tokens, got none; give it a text`);
  if (map.layers.length === 0) throw new Error(`${where}: a map must have layers, got none; give it a model's layers`);
  const seen = new Set<number>();
  for (const { index, routedThrough } of map.layers) {
    if (seen.has(index)) throw new Error(`${where}: each layer must appear once, got layer ${index} twice; remove one`);
    seen.add(index);
    if (routedThrough.length !== map.tokens.length) {
      throw new Error(
        `${where}: layer ${index} must have one decision per token (${map.tokens.length}), got ${routedThrough.length}; draw the decisions of the same text`,
      );
    }
  }
}
