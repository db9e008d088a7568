import { derived, expertLayers, layerKinds, type ModelConfig } from "../model/config.ts";
import { routesOf, slotsOf } from "../model/expertsConfig.ts";
import { hasExperts, isRouted, type LayerKind } from "../model/layerKind.ts";

/** Floating-point operations by component, one multiply-add = 2. */
export interface FlopCounts {
  readonly projections: number;
  /** The full square of scores, masked half included, as is usual. Training skips what it can of that half (`attend`). */
  readonly attention: number;
  readonly mlp: number;
  readonly router: number;
  readonly predictor: number;
  readonly head: number;
}

export type FlopComponent = keyof FlopCounts;

export const totalFlops = (counts: FlopCounts): number => Object.values(counts).reduce((a, b) => a + b, 0);

/**
 * The forward pass over one training sequence of T tokens, all matrix products, attention as the full square. With n = T in a dense
 * block and n = C in a routed one, d the model's width, k the keys' width, F the MLP's, V the vocabulary, h the predictor's:
 *
 *     projections n(4d² + 4dk) · attention 4n²d · MLP 4ndF (6ndF gated) · router 2dT · predictor 2T(dh + h) · head 2dVT
 *
 * With experts the MLP counts E·S tokens for n, taken slots or not; their router adds 2nd(E + O), their predictor 2nh(d + E).
 */
export function forwardFlops(config: ModelConfig): FlopCounts {
  const { dModel: d, seqLen: t, vocabSize, routing } = config;
  const { dKv, dMlp, capacity } = derived(config);
  const learned = routing.kind === "learned" ? routing : undefined;
  const perLayer = (kind: LayerKind): FlopCounts => {
    const n = isRouted(kind) ? capacity : t;
    const learns = isRouted(kind) && learned !== undefined;
    const h = (learns && learned.predictor?.width) || 0;
    const own: FlopCounts = {
      projections: n * (4 * d * d + 4 * d * dKv),
      attention: 4 * n * n * d,
      mlp: hasExperts(kind) ? 0 : mlpFlops(config, dMlp, n),
      router: learns ? 2 * d * t : 0,
      predictor: 2 * t * (d * h + h),
      head: 0,
    };
    return hasExperts(kind) ? addCounts([own, expertFlops(config, n)]) : own;
  };
  const layers = layerKinds(config).map(perLayer);
  return addCounts([...layers, { ...NONE, head: 2 * d * vocabSize * t }]);
}

/** Of an MLP of width F on n tokens. */
const mlpFlops = ({ dModel, mlp }: ModelConfig, width: number, n: number): number =>
  (mlp === "swiglu" ? 6 : 4) * n * dModel * width;

/** Of the experts of a layer that n tokens of a sequence enter: every slot is computed, taken or not. */
function expertFlops(config: ModelConfig, n: number): FlopCounts {
  const { dModel: d, experts } = config;
  if (experts === undefined) throw new Error("expertFlops: the model must have experts, got none");
  const h = (experts.choice === "expert" && experts.predictor?.width) || 0;
  return {
    ...NONE,
    mlp: mlpFlops(config, experts.dMlp ?? derived(config).dMlp, experts.count * slotsOf(experts, n)),
    router: 2 * n * d * routesOf(experts),
    predictor: 2 * n * h * (d + experts.count),
  };
}

const NONE: FlopCounts = { projections: 0, attention: 0, mlp: 0, router: 0, predictor: 0, head: 0 };

const addCounts = (counts: readonly FlopCounts[]): FlopCounts =>
  counts.reduce((total, part) => mapCounts(total, (value, name) => value + part[name]));

const mapCounts = (counts: FlopCounts, f: (value: number, name: FlopComponent) => number): FlopCounts =>
  Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, f(value, name as FlopComponent)])) as {
    [K in FlopComponent]: number;
  };

/**
 * Forward and backward pass over one training sequence: each product of the forward pass brings two of its size, one for
 * each operand's gradient. The predictor's input needs none: it is read behind a stop.
 */
export function trainingFlops(config: ModelConfig): FlopCounts {
  const { seqLen, dModel, routing, experts } = config;
  const { nRouted, capacity } = derived(config);
  const width = (routing.kind === "learned" && routing.predictor?.width) || 0;
  const expertWidth = (experts?.choice === "expert" && experts.predictor?.width) || 0;
  const entering = expertLayers(config).map((layer) => (isRouted(layerKinds(config)[layer]!) ? capacity : seqLen));
  const tokens = nRouted * seqLen * width + entering.reduce((a, b) => a + b, 0) * expertWidth;
  return mapCounts(forwardFlops(config), (value, name) => 3 * value - (name === "predictor" ? 2 * dModel * tokens : 0));
}
