import { DISCRIMINATORS } from "../config/overrides.ts";
import { ConfigError, modelOf, type RunConfig, resolveConfig } from "../config/runConfig.ts";
import type { PreparedData } from "../data/openData.ts";
import { forwardFlops, totalFlops } from "../flops/flops.ts";
import type { ModelConfig } from "../model/config.ts";
import { countParameters } from "../model/parameters.ts";
import { horizonSteps, stepFlops, stepTokens } from "../train/schedule.ts";
import { type Study, StudyError, sizeFields } from "./studySchema.ts";

/** One training run of a study. */
export interface PlannedRun {
  /** `3e12-vanilla-L4-s0`: names its folder and its result. */
  readonly id: string;
  readonly budget: number;
  readonly family: string;
  readonly size: string;
  readonly seed: number;
  readonly config: RunConfig;
}

/** A planned run, counted. */
export interface CountedRun extends PlannedRun {
  readonly model: ModelConfig;
  readonly parameters: number;
  /** One multiply-add = 2, attention as the full square. */
  readonly forwardFlopsPerToken: number;
  readonly steps: number;
  readonly tokens: number;
  /** Training tokens over those of the training text. */
  readonly epochs: number;
  /** Counted training FLOPs: the budget, to within half a step. */
  readonly flops: number;
}

/** A study's evaluations are those at the end of its runs, unless it says otherwise. */
const NEVER = 1_000_000_000;

/** All runs of a study, each once, in the order of its grid. */
export function planStudy(study: Study): PlannedRun[] {
  const runs = new Map<string, PlannedRun>();
  for (const { budgets, families, sizes, seeds } of study.grid) {
    for (const budget of budgets)
      for (const family of families)
        for (const size of sizes)
          for (const seed of seeds) {
            const keys = { budget, family, size, seed };
            const id = `${budgetText(budget)}-${family}-${size}-s${seed}`;
            if (!runs.has(id)) runs.set(id, { id, ...keys, config: configOf(study, id, keys) });
          }
  }
  return [...runs.values()];
}

/** `3e12`, `1.5e13`. */
export const budgetText = (budget: number): string => budget.toExponential().replace("e+", "e");

type Keys = Pick<PlannedRun, "budget" | "family" | "size" | "seed">;

function configOf(study: Study, id: string, { budget, family, size, seed }: Keys): RunConfig {
  const { model, train, learningRateFactor } = study.families[family]!;
  const { peak, atWidth, power } = study.learningRate;
  const shared = merge(study.base, { model: sizeFields(study.sizes, size) });
  const input = merge(merge(shared, { model, train }), { seed }) as Record<string, Record<string, unknown>>;
  const width = Number(input.model!.dModel);
  const rate = peak * (width / atWidth) ** power * learningRateFactor;
  const given = input.train ?? {};
  const evaluate = { every: NEVER, ...(given.evaluate as object | undefined) };
  const checkpoint = { keepLast: 1, keepBest: false, ...(given.checkpoint as object | undefined) };
  const learningRate = { ...(given.learningRate as object | undefined), peak: rate };
  try {
    const horizon = { kind: "flops", budget };
    return resolveConfig({ ...input, train: { ...given, evaluate, checkpoint, learningRate, horizon } });
  } catch (error) {
    if (error instanceof ConfigError) throw new StudyError(`study: the run ${id}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Fields of a family's models, before those of their size. */
export const familyModel = (study: Study, family: string): Record<string, unknown> =>
  merge(study.base.model, study.families[family]?.model ?? {});

/** Objects merged field by field; an object of another `kind` or `choice`, a list or a plain value replaces what was there. */
function merge(base: Readonly<Record<string, unknown>>, change: Readonly<Record<string, unknown>>) {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const old = merged[key];
    const isAlike =
      isObject(old) && isObject(value) && DISCRIMINATORS.every((name) => !isOther(value[name], old[name]));
    merged[key] = isAlike ? merge(old, value) : value;
  }
  return merged;
}

const isOther = (given: unknown, old: unknown): boolean => given !== undefined && old !== undefined && given !== old;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a planned run amounts to on prepared text. */
export function countRun(run: PlannedRun, data: PreparedData): CountedRun {
  const { train } = run.config;
  const model = modelOf(run.config, data.tokenizer.vocabSize);
  const steps = horizonSteps(train.horizon, model, train, 0);
  const tokens = steps * stepTokens(model, train);
  return {
    ...run,
    model,
    parameters: countParameters(model),
    forwardFlopsPerToken: totalFlops(forwardFlops(model)) / model.seqLen,
    steps,
    tokens,
    epochs: tokens / data.train.tokens,
    flops: steps * stepFlops(model, train),
  };
}
