import { hashText, normal } from "../../random.ts";
import { budgetText } from "../plan.ts";
import type { RunResult } from "../runResult.ts";
import { type Study, studySchema } from "../studySchema.ts";

/** A kind of model on the surface below. */
interface SyntheticFamily {
  /** FLOPs of a parameter over those in a vanilla model. */
  readonly cost: number;
  /** On the term of the parameters: they are worth less. */
  readonly penalty: number;
  /** What the paper's claims are matched by. */
  readonly model?: Record<string, unknown>;
}

export const FAMILIES: Readonly<Record<string, SyntheticFamily>> = {
  vanilla: { cost: 1, penalty: 1 },
  mod: { cost: 0.55, penalty: 1.06, model: { pattern: ["dense", "mod"], routing: { kind: "learned" } } },
  random: { cost: 0.55, penalty: 1.3, model: { pattern: ["dense", "mod"], routing: { kind: "random" } } },
};

/** loss = E + A / N^alpha + B / D^beta, D = C / (6 · cost · N) tokens: exponents of Hoffmann et al. (2022), at the scale of small models. */
const SURFACE = { E: 1.2, A: 40, alpha: 0.34, B: 41, beta: 0.28 };

export interface SyntheticOptions {
  readonly budgets?: readonly number[];
  readonly families?: readonly string[];
  /** Parameters of each size. */
  readonly sizes?: readonly number[];
  readonly seeds?: readonly number[];
}

export const SIZES = [80, 120, 180, 270, 400, 600, 900, 1350, 2000].map((thousands) => thousands * 1000);

/** A study of vanilla models, Mixture-of-Depths and random routing, in name. */
export function syntheticStudy(options: SyntheticOptions = {}): Study {
  const { budgets = [3e12, 1e13, 3e13], sizes = SIZES, seeds = [0, 1, 2] } = options;
  const families = options.families ?? Object.keys(FAMILIES);
  const has = (family: string) => families.includes(family);
  const compare = {
    baseline: "vanilla",
    candidates: ["mod"],
    controls: ["random"],
  };
  return studySchema.parse({
    description: "A made-up study.",
    base: { model: {} },
    families: Object.fromEntries(families.map((family) => [family, { model: FAMILIES[family]?.model ?? {} }])),
    sizes: Object.fromEntries(sizes.map((parameters) => [sizeName(parameters), { parameters }])),
    learningRate: { peak: 1e-3, atWidth: 128 },
    grid: [{ budgets, families, sizes: sizes.map(sizeName), seeds }],
    ...(has("vanilla") && has("mod") && has("random") && { compare }),
  });
}

const sizeName = (parameters: number): string => `n${parameters}`;

/** A run before it has a loss. */
export interface SyntheticRun {
  readonly id: string;
  readonly budget: number;
  readonly family: string;
  readonly parameters: number;
  readonly seed: number;
}

/** Results of all runs of a synthetic study. */
export function syntheticResults(study: Study, lossOf: (run: SyntheticRun) => number): RunResult[] {
  return study.grid.flatMap(({ budgets, families, sizes, seeds }) =>
    budgets.flatMap((budget) =>
      families.flatMap((family) =>
        sizes.flatMap((size) =>
          seeds.map((seed) => {
            const id = `${budgetText(budget)}-${family}-${size}-s${seed}`;
            const run = { id, budget, family, parameters: Number(size.slice(1)), seed };
            return resultOf(run, size, lossOf(run));
          }),
        ),
      ),
    ),
  );
}

/** The surface's loss, with noise of the run's own. */
export const surfaceLoss =
  (noise = 0) =>
  ({ id, budget, family, parameters }: SyntheticRun): number => {
    const { E, A, alpha, B, beta } = SURFACE;
    const { cost, penalty } = FAMILIES[family]!;
    const tokens = budget / (6 * cost * parameters);
    return E + (penalty * A) / parameters ** alpha + B / tokens ** beta + noise * normal(hashText(id));
  };

/** Where the surface is lowest for a family at a budget: where its derivative by N is 0. */
export function trueMinimum(family: string, budget: number): { parameters: number; lossNats: number } {
  const { A, alpha, B, beta } = SURFACE;
  const { cost, penalty } = FAMILIES[family]!;
  const power = ((alpha * penalty * A) / (beta * B)) * (budget / (6 * cost)) ** beta;
  const parameters = power ** (1 / (alpha + beta));
  return { parameters, lossNats: surfaceLoss()({ id: "", budget, family, parameters, seed: 0 }) };
}

const TEXT = { validationTokens: 100_000, validationBytes: 250_000 };
const STEPS = 1000;

function resultOf(run: SyntheticRun, size: string, lossNats: number): RunResult {
  const { id, budget, family, parameters, seed } = run;
  const isRouted = family !== "vanilla";
  const ruleResult = (nats: number, capacity: number) => ({
    lossNats: nats,
    bitsPerByte: (nats * TEXT.validationTokens) / (Math.LN2 * TEXT.validationBytes),
    capacityByLayer: isRouted ? [1, capacity] : [1, 1],
    accuracy: isRouted ? 0.98 : null,
    agreement: isRouted ? 0.97 : null,
  });
  const rule = isRouted ? "auxiliary" : "dense";
  const headline = ruleResult(lossNats, 0.13);
  const { cost } = FAMILIES[family] ?? { cost: 1 };
  const seconds = budget / 50e9;
  const curve = Array.from({ length: 100 }, (_, i) => {
    const share = (i + 1) / 100;
    const excess = (6 - lossNats) * (share ** -0.3 - 1) * 0.3;
    return { step: share * STEPS, flops: share * budget, seconds: share * seconds, lossNats: lossNats + excess };
  });
  return {
    ...{ id, budget, family, size, seed, parameters, curve, rule, seconds, ...TEXT },
    config: { model: { dModel: 128, pattern: isRouted ? ["dense", "mod"] : ["dense"] }, seed },
    forwardFlopsPerToken: 2 * cost * parameters,
    steps: STEPS,
    tokens: Math.round(budget / (6 * cost * parameters)),
    epochs: 1.5,
    flops: budget,
    lossNats,
    bitsPerByte: headline.bitsPerByte,
    rules: { [rule]: headline, ...(isRouted && { topk: ruleResult(lossNats - 0.002, 0.125) }) },
    threads: 1,
    commit: "abc1234",
    machine: "a made-up machine, 8 cores",
  };
}
