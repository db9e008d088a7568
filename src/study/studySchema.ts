import { readFileSync } from "node:fs";
import { z } from "zod";

const name = z.string().regex(/^[\w.-]+$/, "may hold letters, digits, dots, dashes and underscores, as file names do");
const partial = z.record(z.string(), z.unknown());

const baseSchema = z.strictObject({
  model: partial,
  data: partial.default({}),
  train: partial.default({}),
});

const familySchema = z.strictObject({
  model: partial.default({}),
  train: partial.default({}),
  learningRateFactor: z.number().gt(0).default(1).describe("on the peak learning rate of every size"),
});

const listedSizes = z.record(name, partial.describe("fields of the model"));
const sizeRule = z.strictObject({
  depths: z.array(z.int().min(1)).min(1).describe("layers of each size"),
  aspect: z.int().min(1).default(32).describe("width per layer, rounded to whole heads"),
  headDim: z.int().min(2).default(32).describe("width of a head"),
});

const gridSchema = z.strictObject({
  budgets: z.array(z.number().gt(0)).min(1).describe("training FLOPs"),
  families: z.array(name).min(1),
  sizes: z.array(name).min(1),
  seeds: z.array(z.int().min(0)).min(1).default([0]),
});

/** A study: which models are trained, and with how much. */
export const studySchema = z
  .strictObject({
    description: z.string(),
    base: baseSchema.describe("what all runs share, fields of a run's configuration"),
    families: z.record(name, familySchema).describe("what each kind of model adds to it"),
    sizes: z.union([listedSizes, z.strictObject({ rule: sizeRule })]),
    learningRate: z
      .strictObject({
        peak: z.number().gt(0),
        atWidth: z.int().min(1).describe("dModel that the peak is meant for"),
        power: z.number().default(-0.5).describe("of (dModel / atWidth), a factor on the peak"),
      })
      .describe("peak learning rate of each size"),
    grid: z.array(gridSchema).min(1).describe("blocks of runs; what stands in several is run once"),
    compare: z
      .strictObject({
        baseline: name,
        candidates: z.array(name).min(1),
        controls: z.array(name).default([]),
      })
      .optional()
      .describe("what the report's claims are about"),
  })
  .superRefine((study, context) => {
    const sizes = sizeNames(study.sizes);
    const check = (path: PropertyKey[], names: readonly string[], known: readonly string[]) => {
      for (const each of names.filter((candidate) => !known.includes(candidate))) {
        context.addIssue({ code: "custom", path, message: `"${each}" is not known; there are ${known.join(", ")}` });
      }
    };
    const families = Object.keys(study.families);
    for (const [i, block] of study.grid.entries()) {
      check(["grid", i, "families"], block.families, families);
      check(["grid", i, "sizes"], block.sizes, sizes);
    }
    const { baseline, candidates, controls } = study.compare ?? { baseline: [], candidates: [], controls: [] };
    check(["compare"], [baseline, candidates, controls].flat(), families);
  });

export type Study = z.output<typeof studySchema>;
export type StudyInput = z.input<typeof studySchema>;

/** Names of the sizes: as listed, or `L4` for four layers under a rule. */
export const sizeNames = (sizes: Study["sizes"]): string[] =>
  isRule(sizes) ? sizes.rule.depths.map((depth) => `L${depth}`) : Object.keys(sizes);

/** Fields of the model of a size. */
export function sizeFields(sizes: Study["sizes"], size: string): Record<string, unknown> {
  if (!isRule(sizes)) return sizes[size]!;
  const { aspect, headDim } = sizes.rule;
  const nLayer = Number(size.slice(1));
  const nHead = Math.max(1, Math.round((aspect * nLayer) / headDim));
  return { nLayer, dModel: nHead * headDim, nHead };
}

const isRule = (sizes: Study["sizes"]): sizes is { rule: z.output<typeof sizeRule> } =>
  "rule" in sizes && "depths" in (sizes.rule as object);

/** Every problem of a study file, with its path. */
export class StudyError extends Error {
  override name = "StudyError";
}

/** Reads and checks a study file. */
export function readStudy(file: string): Study {
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new StudyError(`study: ${file} must be a JSON file, got ${(cause as Error).message}`, { cause });
  }
  const result = studySchema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `  - ${path.join(".") || "(top)"}: ${message}`);
  throw new StudyError(`study: ${file} has values that are not allowed:\n${problems.join("\n")}`);
}
