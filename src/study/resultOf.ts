import type { PreparedData } from "../data/openData.ts";
import { expertsPerToken } from "../model/expertHealth.ts";
import type { ExpertsConfig } from "../model/expertsConfig.ts";
import { causalRule, type EvaluationRule } from "../model/rules.ts";
import { readMetrics } from "../run/metrics.ts";
import { currentCommit, describeMachine } from "../run/provenance.ts";
import { runPaths } from "../run/runFolder.ts";
import type { EvaluationResult, RuleResult } from "../train/evaluate.ts";
import type { StepRecord } from "../train/trainingRun.ts";
import type { CountedRun } from "./plan.ts";
import type { RunResult } from "./runResult.ts";

/** Points of a learning curve: enough to draw it. */
const CURVE_POINTS = 100;

/**
 * What is kept of a run that has come to its end, read from its metrics: so it does not matter which process trained it.
 *
 * @param dir its run folder
 */
export function resultOf(run: CountedRun, dir: string, threads: number, data: PreparedData): RunResult {
  const records = readMetrics(runPaths(dir).metrics);
  const steps = records.filter(({ kind }) => kind === "step") as unknown as StepRecord[];
  const last = records.findLast(({ kind }) => kind === "evaluation");
  if (last === undefined || last.step !== run.steps || steps.length !== run.steps) {
    throw new Error(
      `study: ${dir} must have metrics of all ${run.steps} steps and an evaluation after the last, got ${steps.length} steps; ` +
        "delete the folder, and the run is made again",
    );
  }
  const evaluation = last.result as unknown as EvaluationResult;
  // A model trained for no causal rule has none to be judged by but top-k.
  const rule = causalRule(run.model) ?? "topk";
  const { lossNats, bitsPerByte } = evaluation.rules[rule]!;
  const rules = Object.entries(evaluation.rules).flatMap(([name, result]) =>
    result === null ? [] : [[name as EvaluationRule, compact(result, run.model.experts)] as const],
  );
  const { id, budget, family, size, seed, parameters, forwardFlopsPerToken, tokens, epochs, flops } = run;
  const { cpu, cores } = describeMachine();
  return {
    ...{ id, budget, family, size, seed },
    config: { ...run.config, model: { ...run.config.model, vocabSize: data.tokenizer.vocabSize } },
    ...{ parameters, forwardFlopsPerToken, steps: run.steps, tokens, epochs, flops },
    validationTokens: evaluation.tokens,
    validationBytes: evaluation.bytes,
    ...{ rule, lossNats, bitsPerByte },
    rules: Object.fromEntries(rules),
    seconds: steps.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000,
    threads,
    curve: curveOf(steps),
    commit: currentCommit(),
    machine: `${cpu}, ${cores} cores`,
  };
}

function compact(result: RuleResult, config: ExpertsConfig | undefined): RunResult["rules"][EvaluationRule] {
  const { lossNats, bitsPerByte, capacityByLayer, accuracy = null, agreement = null, experts } = result;
  return {
    ...{ lossNats, bitsPerByte, capacityByLayer: [...capacityByLayer], accuracy, agreement },
    ...(experts && {
      experts: experts.map((layer) => ({ ...layer, load: [...layer.load], perToken: expertsPerToken(layer, config!) })),
    }),
  };
}

/** Means over stretches of steps of about the same length. */
function curveOf(steps: readonly StepRecord[]): RunResult["curve"] {
  const points = Math.min(CURVE_POINTS, steps.length);
  let seconds = 0;
  return Array.from({ length: points }, (_, i) => {
    const stretch = steps.slice(Math.round((i * steps.length) / points), Math.round(((i + 1) * steps.length) / points));
    seconds += stretch.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000;
    const { step, flops } = stretch.at(-1)!;
    const lossNats = stretch.reduce((sum, { losses }) => sum + losses.lm, 0) / stretch.length;
    return { step, flops, seconds: round(seconds, 3), lossNats: round(lossNats, 5) };
  });
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
