import { z } from "zod";
import { EVALUATION_RULES } from "../model/rules.ts";

const count = z.int().min(0);
const loss = z.number();

const layerExperts = z.strictObject({
  layer: count,
  load: z.array(z.number()).describe("of each expert its share of the choices, or of the tokens where experts choose"),
  noOps: z.number().describe("share of the choices that fall on no-op experts"),
  dropped: z.number().describe("share of the choices that found no slot"),
  entropy: z.number().describe("of the router over experts and no-ops, nats"),
  perToken: z.number().describe("experts that computed a token of those that entered the layer"),
});

const ruleResult = z.strictObject({
  lossNats: loss,
  bitsPerByte: loss,
  capacityByLayer: z.array(z.number()),
  accuracy: z.number().nullable().describe("of the decisions, against top-k in the same pass; null for a dense model"),
  agreement: z.number().nullable().describe("with a pass that used top-k in every block"),
  experts: z.array(layerExperts).optional().describe("one entry for each layer of experts"),
});

/** What is kept of a finished run: small enough to be committed. */
export const runResultSchema = z.strictObject({
  id: z.string(),
  budget: z.number().gt(0).describe("training FLOPs that were asked for"),
  family: z.string(),
  size: z.string(),
  seed: count,
  config: z.record(z.string(), z.unknown()).describe("the run's whole configuration"),
  parameters: count.describe("all of the model's, embedding and head included"),
  forwardFlopsPerToken: z.number().gt(0),
  steps: count,
  tokens: count.describe("training tokens"),
  epochs: z.number().describe("training tokens over those of the training text"),
  flops: z.number().gt(0).describe("counted training FLOPs, those of auxiliary parts included"),
  validationTokens: count,
  validationBytes: count,
  rule: z.enum(EVALUATION_RULES).describe("the causal rule that the headline loss is under"),
  lossNats: loss.describe("headline: teacher-forced under the causal rule, nats a token"),
  bitsPerByte: loss,
  rules: z.partialRecord(z.enum(EVALUATION_RULES), ruleResult).describe("every rule that applies"),
  seconds: z.number().describe("training time, evaluations left out"),
  threads: count,
  curve: z
    .array(z.strictObject({ step: count, flops: z.number(), seconds: z.number(), lossNats: loss }))
    .describe("training loss, means of stretches of steps"),
  commit: z.string().nullable(),
  machine: z.string(),
});
export type RunResult = z.output<typeof runResultSchema>;
