import { type EvaluationWindow, evaluationBatches } from "../data/evaluationWindows.ts";
import { causalFeeds, causalGraph } from "../model/causalGraph.ts";
import { type CausalRule, causalThreshold } from "../model/causalRule.ts";
import { derived, type ModelConfig } from "../model/config.ts";
import { floats, type HostTensors, int32, type Runtime } from "../runtime/executor.ts";

export interface CalibrateOptions {
  readonly rule: CausalRule;
  readonly runtime: Runtime;
  /** Passes over the text: a layer's scores follow from what the layers before it decided. 3 if not given. */
  readonly rounds?: number;
  /** Called with the tokens scored so far, over all rounds. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Thresholds at which each routed layer computes its nominal share of a text: the (1 − ratio) quantile of its scores.
 *
 * @param parameters `value.NAME` for each parameter
 * @returns one for each routed layer
 */
export async function calibrateThresholds(
  model: ModelConfig,
  parameters: HostTensors,
  windows: Iterable<EvaluationWindow>,
  { rule, runtime, rounds = 3, onProgress = () => {} }: CalibrateOptions,
): Promise<number[]> {
  const { nRouted, capacityRatio } = derived(model);
  let thresholds = Array<number>(nRouted).fill(causalThreshold(rule, capacityRatio));
  let scored = 0;
  for (let round = 0; round < rounds; round++) {
    const executor = await runtime.compile(causalGraph(model, rule, "nll", { thresholds, scores: true }));
    const scores: number[][] = thresholds.map(() => []);
    for (const batch of evaluationBatches(windows, { batchSize: 8, seqLen: model.seqLen })) {
      const { tokens, targets, lengths, seqLen: width } = batch;
      const noiseKeys = Array.from(lengths, (_, row) => ({ seed: 0, sequence: scored + row }));
      const feeds = causalFeeds({ tokens, lengths: [...lengths], width, noiseKeys }, model);
      const fed = { ...feeds, targets: int32([lengths.length, width], targets), ...parameters };
      const outputs = await executor.run(fed);
      for (const [row, length] of lengths.entries()) {
        for (const [i, all] of scores.entries()) {
          all.push(...floats(outputs, `score.${i}`).subarray(row * width, row * width + length));
        }
        scored += length;
      }
      onProgress(scored);
    }
    await executor.dispose();
    thresholds = scores.map((all) => quantile(all, 1 - capacityRatio));
  }
  return thresholds;
}

/** The value that a share of all others is at or below. */
function quantile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.max(0, Math.ceil(share * values.length) - 1)]!;
}
