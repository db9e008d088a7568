import { expertLayers, layerKinds, type ModelConfig, routedLayers } from "./config.ts";
import { type ExpertsConfig, routesOf } from "./expertsConfig.ts";
import { isRouted } from "./layerKind.ts";

/** How the experts of one layer are used. */
export interface LayerExperts {
  readonly layer: number;
  /** Of each expert its share of the tokens' choices; by expert choice the share of the tokens that it takes. [E] */
  readonly load: readonly number[];
  /** Share of the choices that fall on no-op experts; 0 where there are none. */
  readonly noOps: number;
  /** Mean entropy of the router over experts and no-op experts, nats. */
  readonly entropy: number;
  /** Share of the choices that found no slot; by expert choice the share of the tokens that no expert took. */
  readonly dropped: number;
}

/** Experts that computed a token which entered the layer: less than `perToken` where choices fall on no-ops or find no slot. */
export function expertsPerToken({ load, dropped }: LayerExperts, experts: ExpertsConfig): number {
  const taken = load.reduce((a, b) => a + b, 0);
  return experts.choice === "token" ? experts.perToken * (taken - dropped) : taken;
}

/** The outputs of a causal graph, by their names. */
type Outputs = Readonly<Record<string, { readonly data: ArrayLike<number | bigint> }>>;

/** Counts of one layer of experts. */
interface LayerCounts {
  readonly layer: number;
  /** Number among the routed layers, where it is one. */
  readonly routed: number | undefined;
  /** Tokens that each expert and no-op expert was chosen for, [E + O]. */
  readonly chosen: Float64Array;
  /** Tokens that entered the layer, those of them that no expert took, choices that found no slot, and Σ of the router's entropies. */
  entering: number;
  unserved: number;
  dropped: number;
  entropy: number;
}

/** Sums over batches of what the experts of a model did under one rule. */
export class ExpertTotals {
  readonly #model: ModelConfig;
  readonly #layers: readonly LayerCounts[];

  constructor(model: ModelConfig) {
    this.#model = model;
    const routes = model.experts === undefined ? 0 : routesOf(model.experts);
    this.#layers = expertLayers(model).map((layer) => ({
      layer,
      routed: isRouted(layerKinds(model)[layer]!) ? routedLayers(model).indexOf(layer) : undefined,
      chosen: new Float64Array(routes),
      ...{ entering: 0, unserved: 0, dropped: 0, entropy: 0 },
    }));
  }

  /** @param places tokens of the batch that count */
  add(outputs: Outputs, places: readonly number[]): void {
    for (const [i, counts] of this.#layers.entries()) this.#addLayer(counts, i, outputs, places);
  }

  /** Empty for a model without experts. */
  result(): LayerExperts[] {
    const { experts } = this.#model;
    if (experts === undefined) return [];
    return this.#layers.map(({ layer, chosen, entering, unserved, dropped, entropy }) => {
      const choices = experts.choice === "token" ? experts.perToken * entering : entering;
      const share = (count: number, of: number) => (of === 0 ? 0 : count / of);
      const noOps = chosen.slice(experts.count).reduce((a, b) => a + b, 0);
      return {
        layer,
        load: [...chosen.slice(0, experts.count)].map((count) => share(count, choices)),
        noOps: share(noOps, choices),
        entropy: share(entropy, entering),
        dropped: experts.choice === "token" ? share(dropped, choices) : share(unserved, entering),
      };
    });
  }

  #addLayer(counts: LayerCounts, i: number, outputs: Outputs, places: readonly number[]): void {
    const data = (name: string) => outputs[name]!.data as ArrayLike<number>;
    const through = counts.routed === undefined ? undefined : data(`routedThrough.${counts.routed}`);
    const [chosen, computed] = [data(`chosen.${i}`), data(`computed.${i}`)];
    const probabilities = data(`probabilities.${i}`);
    const [routes, experts] = [counts.chosen.length, this.#model.experts!.count];
    for (const place of places) {
      if (through?.[place] === 0) continue;
      counts.entering++;
      let served = 0;
      for (let route = 0; route < routes; route++) {
        const at = place * routes + route;
        const [isChosen, p] = [chosen[at]!, probabilities[at]!];
        counts.chosen[route]! += isChosen;
        if (p > 0) counts.entropy -= p * Math.log(p);
        if (route >= experts) continue;
        const isComputed = computed[place * experts + route]!;
        served += isComputed;
        counts.dropped += isChosen - isComputed;
      }
      if (served === 0) counts.unserved++;
    }
  }
}
