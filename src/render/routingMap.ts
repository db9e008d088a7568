/** A routing map: which tokens went through which layers, as plain data, and what every picture of one needs to know. */

export interface RoutingMapLayer {
  readonly index: number;
  /** "dense" and "moe" compute every token; "mod" and "mode" route. */
  readonly kind: string;
  /** Per token: true where it was computed by the layer, false where it went around. */
  readonly routedThrough: readonly boolean[];
  /** Per token: numbers of the experts that computed it, in a layer of experts; none where it took a no-op expert or was dropped. */
  readonly experts?: readonly (readonly number[])[];
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

/** Which experts computed a token of a layer, such as `3` or `1+4`; undefined where it has no experts, or the token went around. */
export function expertsText({ experts, routedThrough }: RoutingMapLayer, token: number): string | undefined {
  return routedThrough[token] ? experts?.[token]?.join("+") : undefined;
}

/** Realised share of the tokens that a layer, or one of its experts, computed, such as `12.5 %`. */
export function shareText(layer: RoutingMapLayer): string {
  const through = layer.routedThrough.filter((is, i) => is && layer.experts?.[i]?.length !== 0).length;
  return `${((100 * through) / layer.routedThrough.length).toFixed(1)} %`;
}

/** Per token: how many routing layers it went through. Dense layers, which take every token, don't count. */
export function routedCounts(map: RoutingMap): number[] {
  const routing = map.layers.filter((layer) => !isDense(layer));
  return map.tokens.map((_, i) => routing.filter(({ routedThrough }) => routedThrough[i]).length);
}

/** What kinds of cells a map has: what its legend must explain. */
export function cellKinds({ layers }: RoutingMap): { routed: boolean; dense: boolean; experts: boolean } {
  return {
    routed: layers.some((layer) => !isDense(layer)),
    dense: layers.some((layer) => isDense(layer) && layer.experts === undefined),
    experts: layers.some(({ experts }) => experts !== undefined),
  };
}

/** Refuses a map that can't be drawn; `where` opens the error. */
export function checkRoutingMap(map: RoutingMap, where: string): void {
  if (map.tokens.length === 0) throw new Error(`${where}: a map must have tokens, got none; give it a text`);
  if (map.layers.length === 0) throw new Error(`${where}: a map must have layers, got none; give it a model's layers`);
  const seen = new Set<number>();
  for (const { index, routedThrough, experts } of map.layers) {
    if (seen.has(index)) throw new Error(`${where}: each layer must appear once, got layer ${index} twice; remove one`);
    seen.add(index);
    if (experts !== undefined && experts.length !== map.tokens.length) {
      throw new Error(
        `${where}: layer ${index} must say the experts of each token (${map.tokens.length}), got ${experts.length}; draw the decisions of the same text`,
      );
    }
    if (routedThrough.length !== map.tokens.length) {
      throw new Error(
        `${where}: layer ${index} must have one decision per token (${map.tokens.length}), got ${routedThrough.length}; draw the decisions of the same text`,
      );
    }
  }
}
