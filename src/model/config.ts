import { z } from "zod";
import { expertsSchema, routesOf } from "./expertsConfig.ts";
import { hasExperts, isRouted, LAYER_KINDS, type LayerKind } from "./layerKind.ts";

/** Factor on the router's contribution: `linear` is the paper's equation, `one` leaves the block's output as it is. */
export const GATES = ["linear", "sigmoid", "tanh", "one"] as const;
export type Gate = (typeof GATES)[number];

export const MLP_KINDS = ["squaredRelu", "gelu", "swiglu"] as const;
export type MlpKind = (typeof MLP_KINDS)[number];

const count = z.int().min(1);
const capacityRatio = z
  .number()
  .gt(0)
  .max(1)
  .default(0.125)
  .describe("fraction of a sequence's tokens that a routed block computes");

const learnedRouting = z.strictObject({
  kind: z.literal("learned"),
  capacityRatio,
  gate: z.enum(GATES).default("linear").describe("factor g(r) on the output of a routed block"),
  auxiliary: z
    .strictObject({ weight: z.number().gt(0).default(0.01).describe("weight of the auxiliary loss") })
    .nullable()
    .default({ weight: 0.01 })
    .describe("binary cross-entropy of the router weights against the top-k choice; null trains without"),
  predictor: z
    .strictObject({ width: count.default(64).describe("hidden width of the predictor") })
    .nullable()
    .default({ width: 64 })
    .describe("a small MLP that learns to foretell the top-k choice; null trains without"),
  zLoss: z.number().min(0).default(0).describe("weight of the mean squared router weight"),
});

const randomRouting = z.strictObject({
  kind: z.literal("random"),
  capacityRatio,
  gate: z
    .enum(["linear", "one"])
    .default("linear")
    .describe("linear multiplies by the random weight, as the paper does"),
});

/** What decides in the routed blocks. */
export const routingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  learnedRouting,
  randomRouting,
]);

const fields = z.strictObject({
  seqLen: count.describe("tokens in a training sequence, and the longest context"),
  nLayer: count.describe("number of blocks"),
  dModel: count.describe("width of the residual stream"),
  nHead: count.describe("query heads"),
  nKvHead: count.optional().describe("key/value heads; as many as query heads if not given"),
  mlp: z.enum(MLP_KINDS).default("squaredRelu").describe("kind of the MLP"),
  dMlp: count.optional().describe("hidden width of the MLP; 4 dModel if not given"),
  pattern: z.array(z.enum(LAYER_KINDS)).min(1).default(["dense"]).describe("kinds of the layers, repeated to nLayer"),
  routing: routingSchema.default({ kind: "none" }),
  experts: expertsSchema.optional().describe("the experts of layers moe and mode"),
  tiedHead: z.boolean().default(false).describe("the head shares the embedding's weights"),
  rotaryBase: z.number().gt(1).default(10_000).describe("base of the rotary angles"),
  normEpsilon: z.number().gt(0).default(1e-5).describe("epsilon of RMSNorm"),
  embeddingStd: z
    .number()
    .gt(0)
    .optional()
    .describe("standard deviation of the embedding's initial values; 1, or 0.02 with a tied head, if not given"),
  routerStd: z.number().gt(0).default(0.02).describe("standard deviation of the router's initial weights"),
});

type Fields = z.output<typeof fields>;

/** What the fields must be to one another. All problems are reported at once. */
function checkModel(model: Fields, context: z.RefinementCtx): void {
  const problem = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  const headDim = model.dModel / model.nHead;
  if (!Number.isInteger(headDim)) problem("nHead", `must divide dModel=${model.dModel}, got ${model.nHead}`);
  else if (headDim % 2 !== 0) problem("nHead", `dModel / nHead must be even for rotary positions, got ${headDim}`);
  if (model.nKvHead !== undefined && model.nHead % model.nKvHead !== 0) {
    problem("nKvHead", `must divide nHead=${model.nHead}, got ${model.nKvHead}`);
  }
  if (model.pattern.length > model.nLayer) {
    problem("pattern", `must have at most nLayer=${model.nLayer} entries, got ${model.pattern.length}`);
  }
  const { routing, experts } = model;
  const kinds = layerKinds(model);
  const pattern = model.pattern.join(", ");
  const routed = kinds.some(isRouted);
  if (routed && routing.kind === "none") problem("routing", `a pattern with "mod" or "mode" needs routing, got none`);
  if (!routed && routing.kind !== "none") {
    problem("pattern", `routing "${routing.kind}" needs a layer "mod" or "mode", got ${pattern}`);
  }
  if (kinds.some(hasExperts) !== (experts !== undefined)) {
    const rule = experts === undefined ? "needs experts, got none" : "is needed for experts";
    problem(experts === undefined ? "experts" : "pattern", `a layer "moe" or "mode" ${rule} (pattern: ${pattern})`);
  }
  if (experts?.choice === "token" && experts.perToken > routesOf(experts)) {
    problem("experts", `perToken must be at most count + noOps = ${routesOf(experts)}, got ${experts.perToken}`);
  }
  if (routing.kind === "learned" && experts?.choice === "expert" && !shareRemedy(routing, experts)) {
    problem(
      "experts",
      "must have a remedy in common with routing (auxiliary or predictor), or nothing decides causally",
    );
  }
  if (routing.kind === "learned" && routing.gate === "one" && routing.auxiliary === null) {
    problem("routing", 'gate "one" gives the router no gradient of its own; set an auxiliary loss, or another gate');
  }
}

/** Whether two choices that later tokens have a say in have a causal rule in common, or neither has any. */
function shareRemedy(a: Remedies, b: Remedies): boolean {
  const has = ({ auxiliary, predictor }: Remedies) => auxiliary !== null || predictor !== null;
  const both = (remedy: keyof Remedies) => a[remedy] !== null && b[remedy] !== null;
  return both("auxiliary") || both("predictor") || !(has(a) && has(b));
}

interface Remedies {
  readonly auxiliary: object | null;
  readonly predictor: object | null;
}

const vocabSize = count.describe("tokens in the vocabulary; given by the tokenizer");

/** A decoder-only transformer whose layers follow a pattern. */
export const modelSchema = fields.extend({ vocabSize }).superRefine(checkModel);

/** The same before its tokenizer is known. */
export const modelShapeSchema = fields.extend({ vocabSize: vocabSize.optional() }).superRefine(checkModel);

export type ModelConfig = Readonly<z.output<typeof modelSchema>>;
export type ModelInput = z.input<typeof modelSchema>;
export type Routing = ModelConfig["routing"];

/** Kind of each layer: the pattern, repeated and cut at nLayer. */
export const layerKinds = ({ pattern, nLayer }: Pick<ModelConfig, "pattern" | "nLayer">): LayerKind[] =>
  Array.from({ length: nLayer }, (_, i) => pattern[i % pattern.length]!);

const layersWhere = (config: Pick<ModelConfig, "pattern" | "nLayer">, holds: (kind: LayerKind) => boolean): number[] =>
  layerKinds(config).flatMap((kind, i) => (holds(kind) ? [i] : []));

/** Numbers of the routed layers. */
export const routedLayers = (config: Pick<ModelConfig, "pattern" | "nLayer">): number[] =>
  layersWhere(config, isRouted);

/** Numbers of the layers with experts. */
export const expertLayers = (config: Pick<ModelConfig, "pattern" | "nLayer">): number[] =>
  layersWhere(config, hasExperts);

/** C = max(1, round(capacityRatio · T)): tokens that a routed block computes of a sequence of T. */
export const capacityOf = (ratio: number, tokens: number): number => Math.max(1, Math.round(ratio * tokens));

/** What follows from a configuration. */
export function derived(config: ModelConfig) {
  const headDim = config.dModel / config.nHead;
  const nKvHead = config.nKvHead ?? config.nHead;
  const ratio = config.routing.kind === "none" ? 1 : config.routing.capacityRatio;
  return {
    headDim,
    nKvHead,
    dKv: nKvHead * headDim,
    dMlp: config.dMlp ?? 4 * config.dModel,
    // A residual stream that starts at scale 1 (docs/EXPERIMENTS.md); a tied head would make its first logits too large.
    embeddingStd: config.embeddingStd ?? (config.tiedHead ? 0.02 : 1),
    capacityRatio: ratio,
    capacity: capacityOf(ratio, config.seqLen),
    nRouted: routedLayers(config).length,
  };
}

/** The dense model of the same shape. */
export function denseTwin({ experts: _, ...config }: ModelConfig): ModelConfig {
  return { ...config, pattern: ["dense"], routing: { kind: "none" } };
}
