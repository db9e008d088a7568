import { z } from "zod";

const count = z.int().min(1);

const shared = {
  count: count.max(256).default(8).describe("E, experts: MLPs of which a token is computed by few"),
  dMlp: count.optional().describe("hidden width of an expert; that of the MLP if not given"),
  zLoss: z.number().min(0).default(0.001).describe("weight of the mean squared log-sum-exp of the router's logits"),
};

const tokenChoice = z.strictObject({
  choice: z.literal("token").describe("each token takes its best experts"),
  ...shared,
  perToken: count.max(2).default(1).describe("experts of a token, 1 or 2"),
  noOps: z
    .int()
    .min(0)
    .max(256)
    .default(0)
    .describe("O, no-op experts, whose tokens keep their residual stream: integrated Mixture-of-Depths-and-Experts"),
  capacityFactor: z
    .number()
    .gt(0)
    .default(1.25)
    .describe(
      "slots of an expert while training, over its share of the tokens; below 1 tokens are dropped for certain",
    ),
  balance: z.number().min(0).default(0.01).describe("weight of the load-balancing loss"),
});

const expertChoice = z.strictObject({
  choice: z.literal("expert").describe("each expert takes its best tokens of a sequence"),
  ...shared,
  capacityFactor: z.number().gt(0).default(1).describe("experts of a token, in the mean"),
  auxiliary: z
    .strictObject({ weight: z.number().gt(0).default(0.01).describe("weight of the auxiliary loss") })
    .nullable()
    .default({ weight: 0.01 })
    .describe("binary cross-entropy of the router's logits against the experts' choice; null trains without"),
  predictor: z
    .strictObject({ width: count.default(64).describe("hidden width of the predictor") })
    .nullable()
    .default({ width: 64 })
    .describe("a small MLP that learns to foretell the experts' choice; null trains without"),
});

/** The experts of layers `moe` and `mode`. */
export const expertsSchema = z.discriminatedUnion("choice", [tokenChoice, expertChoice]);

export type ExpertsConfig = Readonly<z.output<typeof expertsSchema>>;
export type TokenChoice = Extract<ExpertsConfig, { choice: "token" }>;
export type ExpertChoice = Extract<ExpertsConfig, { choice: "expert" }>;

/** E + O: what the router chooses among. */
export const routesOf = (experts: ExpertsConfig): number =>
  experts.count + (experts.choice === "token" ? experts.noOps : 0);

/**
 * S: tokens of a sequence of n that an expert takes while training. Token choice: ⌈capacityFactor · perToken · n / (E + O)⌉
 * (Fedus et al. 2022, equation 3); expert choice: capacityFactor · n / E, rounded (Zhou et al. 2022, equation 1). 1 to n.
 */
export function slotsOf(experts: ExpertsConfig, tokens: number): number {
  const share = (experts.capacityFactor * tokens) / routesOf(experts);
  // The quotient of two integers may miss the integer by a rounding error, which must not cost a slot.
  const slots = experts.choice === "token" ? Math.ceil(experts.perToken * share - 1e-9) : Math.round(share);
  return Math.min(tokens, Math.max(1, slots));
}
