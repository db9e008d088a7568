import {
  add,
  cast,
  concat,
  log,
  logSoftmax,
  mean,
  minimum,
  mul,
  neg,
  reshape,
  scalar,
  slice,
  staticDim,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from "../graph/index.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ExpertLayer } from "../model/experts.ts";
import { type ExpertsConfig, slotsOf } from "../model/expertsConfig.ts";
import { average } from "./average.ts";
import { binaryCrossEntropy } from "./binaryCrossEntropy.ts";

/** The parts of the loss that layers of experts add, each a scalar, the mean over those layers. */
export interface ExpertObjective {
  /** (E + O) Σ f·P, 1 where tokens are spread evenly; token choice. */
  readonly balance?: Tensor;
  /** Mean squared log-sum-exp of the router's logits. */
  readonly expertZLoss: Tensor;
  /** Mean binary cross-entropy of the logits against the experts' choice; expert choice. */
  readonly expertAuxiliary?: Tensor;
  /** The same of the predictors' logits, whose gradient reaches the predictors alone. */
  readonly expertPredictor?: Tensor;
}

/** What layers of experts add to the loss; every mean is one of sequences, so that it does not matter how a batch is shared out. */
export function expertObjective(layers: readonly ExpertLayer[], experts: ExpertsConfig): ExpertObjective {
  const over = (part: (layer: ExpertLayer) => Tensor) => average(layers.map(part));
  const expertZLoss = over(({ logits }) => meanSquaredLogSumExp(logits));
  if (experts.choice === "token") {
    return { expertZLoss, balance: over((layer) => imbalance(layer, experts.perToken)) };
  }
  return {
    expertZLoss,
    expertAuxiliary: over(({ logits, chosen }) => binaryCrossEntropy(logits, cast(chosen, logits.dtype))),
    ...(experts.predictor && {
      expertPredictor: over(({ predictorLogits: logits, chosen }) =>
        binaryCrossEntropy(logits!, cast(chosen, logits!.dtype)),
      ),
    }),
  };
}

/** Their sum with the configuration's weights. */
export function weightedExperts(parts: ExpertObjective, experts: ExpertsConfig): Tensor {
  const { balance, expertZLoss, expertAuxiliary, expertPredictor } = parts;
  const terms = [mul(expertZLoss, experts.zLoss)];
  if (experts.choice === "token") terms.push(mul(balance!, experts.balance));
  else {
    if (experts.auxiliary !== null) terms.push(mul(expertAuxiliary!, experts.auxiliary.weight));
    if (experts.predictor !== null) terms.push(expertPredictor!);
  }
  return terms.reduce((a, b) => add(a, b));
}

/**
 * Load-balancing loss of one layer (Fedus et al. 2022, equations 4 to 6) over each sequence: (E + O) Σ f·P, f the share of its choices that
 * fall on an expert and P the mean probability of that expert.
 */
function imbalance({ chosen, probabilities }: ExpertLayer, perToken: number): Tensor {
  const [b, n, routes] = probabilities.shape as readonly [number, number, number];
  const counts = sum(cast(chosen, probabilities.dtype), [1]); //  [B, E + O]
  const product = sum(mul(stopGradient(counts), sum(probabilities, [1])));
  return mul(product, routes / (b * n * n * perToken));
}

/** x − log softmax(x) is the log-sum-exp, in every place. */
function meanSquaredLogSumExp(logits: Tensor): Tensor {
  const routes = staticDim("meanSquaredLogSumExp", logits.shape.at(-1)!);
  const logSumExp = mul(sum(sub(logits, logSoftmax(logits)), [-1]), 1 / routes);
  return mean(mul(logSumExp, logSumExp));
}

/**
 * Of one layer in a batch: load of each expert and no-op expert (their shares of the tokens' choices; by expert choice the share of the
 * tokens that each takes), mean entropy of the router in nats, and the share of choices that found no slot (by expert choice: of tokens that no expert took): [1, E + O + 2].
 */
export function expertStatistics({ chosen, probabilities }: ExpertLayer, { experts }: ModelConfig): Tensor {
  const [b, n, routes] = probabilities.shape as readonly [number, number, number];
  const [floats, perToken] = [cast(chosen, probabilities.dtype), experts!.choice === "token" ? experts!.perToken : 1];
  const load = mul(sum(floats, [0, 1]), 1 / (b * n * perToken)); //  [E + O]
  const entropy = neg(mul(sum(mul(probabilities, log(add(probabilities, 1e-9)))), 1 / (b * n)));
  const values = [reshape(load, [1, routes]), reshape(entropy, [1, 1]), reshape(dropped(floats, experts!), [1, 1])];
  return concat(values, 1);
}

function dropped(chosen: Tensor, experts: ExpertsConfig): Tensor {
  const [b, n] = chosen.shape as readonly [number, number];
  const one = scalar(chosen.dtype, 1);
  if (experts.choice === "expert") return sub(1, mean(minimum(sum(chosen, [-1]), one)));
  const counts = sum(slice(chosen, 0, experts.count, 2), [1]); //  [B, E]
  const computed = sum(minimum(counts, scalar(chosen.dtype, slotsOf(experts, n))));
  return mul(sub(sum(counts), computed), 1 / (b * n * experts.perToken));
}
