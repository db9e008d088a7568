import { add, cast, concat, constant, crossEntropy, greater, mean, mul, reshape, type Tensor } from "../graph/index.ts";
import type { ModelConfig } from "../model/config.ts";
import type { RoutedLayer } from "../model/mixtureOfDepths.ts";
import type { TransformerParameters } from "../model/parameters.ts";
import { type TrainingInputs, trainingForward } from "../model/transformer.ts";
import { average } from "./average.ts";
import { binaryCrossEntropy } from "./binaryCrossEntropy.ts";
import { type ExpertObjective, expertObjective, expertStatistics, weightedExperts } from "./expertObjective.ts";

/**
 * The parts of the training loss, each a scalar. `auxiliary` and `zLoss` are measured in every model with a learned router, also where
 * they have no weight in the total; parts that the model has not are a constant 0.
 */
export interface Objective extends Partial<ExpertObjective> {
  /** What is differentiated: lm + weight·auxiliary + predictor + weight·zLoss, and what experts add. */
  readonly total: Tensor;
  /** Mean negative log likelihood of the next token, nats. */
  readonly lm: Tensor;
  /** Mean binary cross-entropy of r as logits against the top-k choice. */
  readonly auxiliary: Tensor;
  /** The same of the predictor's logits. Its gradient reaches the predictor alone. */
  readonly predictor: Tensor;
  /** Mean r². */
  readonly zLoss: Tensor;
  /** For each routed layer, the means of `ROUTING_STATISTICS`: [routed layers, 6]. */
  readonly routing?: Tensor;
  /** For each layer of experts what `expertStatistics` gives: [layers, E + O + 2]. */
  readonly experts?: Tensor;
}

/** Means over a batch that precision, recall and realised capacity follow from. "routed" is the top-k choice. */
export const ROUTING_STATISTICS = [
  "r",
  "rSquared",
  "auxiliaryPositive",
  "auxiliaryPositiveAndRouted",
  "predictorPositive",
  "predictorPositiveAndRouted",
] as const;

/** The training objective of a model on a batch; `targets` int32 [B, T] are the next tokens. */
export function objective(
  parameters: TransformerParameters<Tensor>,
  inputs: TrainingInputs & { readonly targets: Tensor },
  config: ModelConfig,
): Objective {
  const { logits, routed, experts } = trainingForward(parameters, inputs, config);
  const lm = mean(crossEntropy(logits, inputs.targets));
  const ofRouting = routingObjective(routed, lm, config);
  if (config.experts === undefined) return ofRouting;
  const ofExperts = expertObjective(experts, config.experts);
  return {
    ...ofRouting,
    ...ofExperts,
    total: add(ofRouting.total, weightedExperts(ofExperts, config.experts)),
    experts: concat(
      experts.map((layer) => expertStatistics(layer, config)),
      0,
    ),
  };
}

/** The language model's loss and what routed blocks add to it. */
function routingObjective(routed: readonly RoutedLayer[], lm: Tensor, { routing }: ModelConfig): Objective {
  const zero = constant(lm.dtype, [], 0);
  const statistics = routed.length === 0 ? {} : { routing: concat(routed.map(layerStatistics), 0) };
  if (routing.kind !== "learned")
    return { total: lm, lm, auxiliary: zero, predictor: zero, zLoss: zero, ...statistics };

  const auxiliary = average(routed.map((layer) => binaryCrossEntropy(layer.routerWeights, layer.routedThrough)));
  const zLoss = average(routed.map(({ routerWeights: r }) => mean(mul(r, r))));
  const predictor =
    routing.predictor === null
      ? zero
      : average(routed.map((layer) => binaryCrossEntropy(layer.predictorLogits!, layer.routedThrough)));
  let total = routing.auxiliary === null ? lm : add(lm, mul(auxiliary, routing.auxiliary.weight));
  if (routing.zLoss > 0) total = add(total, mul(zLoss, routing.zLoss));
  if (routing.predictor !== null) total = add(total, predictor);
  return { total, lm, auxiliary, predictor, zLoss, ...statistics };
}

function layerStatistics({ routerWeights: r, routedThrough, predictorLogits = r }: RoutedLayer): Tensor {
  const positive = (x: Tensor) => cast(greater(x, 0), x.dtype);
  const means = [
    mean(r),
    mean(mul(r, r)),
    mean(positive(r)),
    mean(mul(positive(r), routedThrough)),
    mean(positive(predictorLogits)),
    mean(mul(positive(predictorLogits), routedThrough)),
  ];
  return concat(
    means.map((value) => reshape(value, [1, 1])),
    1,
  );
}
