import { statSync } from "node:fs";
import path from "node:path";
import { type RunConfig, resolveConfig } from "../config/runConfig.ts";
import type { ModelConfig } from "../model/config.ts";
import { causalRule } from "../model/rules.ts";
import { listCheckpoints, readManifest } from "../run/checkpoint.ts";
import { lockOwner } from "../run/lock.ts";
import type { MetricsRecord } from "../run/metricsFormat.ts";
import { openRun, runPaths } from "../run/runFolder.ts";
import { horizonSteps } from "../train/schedule.ts";
import type { RunState, RunSummary } from "./api.ts";
import { evaluationRow, stepRow } from "./metricsColumns.ts";
import { glanceAt } from "./metricsGlance.ts";
import { modelSummary } from "./modelSummary.ts";
import { isPlainFile } from "./runsFolder.ts";

const NUMBERS = {
  ...{ step: null, steps: null, tokens: null, flops: null, lossNats: null, tokensPerSecond: null },
  ...{ validation: null, accuracy: null, spark: [] },
};

/** What changes when a summary does: compared before a run is read again. */
export function fingerprint(dir: string): string {
  const { config, metrics, checkpoints } = runPaths(dir);
  const stamps = [config, metrics, checkpoints].map((file) => {
    const found = statSync(file, { throwIfNoEntry: false });
    return found === undefined ? "-" : `${found.ino}:${found.size}:${found.mtimeMs}`;
  });
  return [...stamps, lockOwner(dir)?.pid ?? "-"].join(" ");
}

/** A run as a list shows it. One that cannot be read is told of as damaged, with the reason. */
export function summarise(id: string, dir: string): RunSummary {
  const changedMs = Math.max(...[runPaths(dir).metrics, runPaths(dir).config].map(changeOf));
  try {
    const config = resolveConfig(openRun(dir).config);
    return { ...summaryOf(id, dir, config), changedMs };
  } catch (error) {
    const problem = (error as Error).message;
    return { id, state: "damaged", problem, model: null, ...NUMBERS, changedMs };
  }
}

/** A run that was asked for, or never got to a folder, and when that was. */
export const summaryWithoutFolder = (
  id: string,
  state: "starting" | "damaged",
  problem: string | null,
  changedMs: number,
): RunSummary => ({
  ...{ id, state, problem, model: null },
  ...NUMBERS,
  changedMs,
});

const changeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function summaryOf(id: string, dir: string, config: RunConfig): Omit<RunSummary, "changedMs"> {
  const { metrics } = runPaths(dir);
  const { lastStep, lastEvaluation, sampled } = glanceAt(isPlainFile(metrics) ? metrics : "");
  const model = config.model as ModelConfig;
  const rule = causalRule(model) ?? "topk";
  const row = lastStep === null ? {} : stepRow(lastStep);
  const steps = stepsOf(dir, config);
  return {
    ...{ id, problem: null, model: modelSummary(model), steps },
    state: stateOf(dir, row.step ?? null, steps),
    step: row.step ?? null,
    tokens: row.tokens ?? null,
    flops: row.flops ?? null,
    lossNats: row["loss.lm"] ?? null,
    tokensPerSecond: row.tokensPerSecond ?? null,
    ...validationOf(lastEvaluation, rule),
    spark: sampled.flatMap((record) => round(stepRow(record)["loss.lm"])),
  };
}

const round = (value: number | undefined): number[] => (value === undefined ? [] : [Number(value.toPrecision(4))]);

function validationOf(record: MetricsRecord | null, rule: string): Pick<RunSummary, "validation" | "accuracy"> {
  const row = record === null ? {} : evaluationRow(record);
  const [lossNats, bitsPerByte] = [row[`${rule}.lossNats`], row[`${rule}.bitsPerByte`]];
  const isMeasured = lossNats !== undefined && bitsPerByte !== undefined;
  return {
    validation: isMeasured ? { step: row.step!, lossNats, bitsPerByte } : null,
    accuracy: row[`${rule}.accuracy`] ?? null,
  };
}

function stateOf(dir: string, step: number | null, steps: number | null): RunState {
  if (lockOwner(dir) !== null) return "running";
  if (step === null) return "new";
  return steps !== null && step >= steps ? "done" : "stopped";
}

/** Epochs depend on the text: how many steps they are stands in the checkpoints. */
function stepsOf(dir: string, { train, model }: RunConfig): number | null {
  if (train.horizon.kind !== "epochs") return horizonSteps(train.horizon, model as ModelConfig, train, 0);
  const newest = listCheckpoints(dir).findLast(({ problem }) => problem === null);
  const steps = newest && readManifest(path.resolve(newest.dir)).state.steps;
  return typeof steps === "number" ? steps : null;
}
