import { z } from "zod";
import { readDocuments } from "../../data/documents.ts";
import { evaluationWindows } from "../../data/evaluationWindows.ts";
import { tokenByteLengths } from "../../data/tokenizer/tokenizer.ts";
import type { CausalRule } from "../../model/causalRule.ts";
import { causalRule } from "../../model/rules.ts";
import { allCalibratedThresholds, calibratedThresholds } from "../../run/calibrations.ts";
import type { SavedModel } from "../../run/savedModel.ts";
import type { Runtime } from "../../runtime/executor.ts";
import { chooseRule } from "../../sample/chooseRule.ts";
import { writtenTexts } from "../../sample/writtenTexts.ts";
import { type EvaluationResult, Evaluator, type ScoredToken } from "../../train/evaluate.ts";
import { defineCommand } from "../command.ts";
import { expertTable } from "../expertTable.ts";
import { percent, table } from "../format.ts";
import { openModel } from "../openModel.ts";
import type { Output } from "../output.ts";
import { capacityOptions, checkpointOption, jsonOption, makeRuntime, runtimeOptions, whole } from "../sharedOptions.ts";
import { UsageError } from "../usage.ts";
import { validationText } from "../validationText.ts";

const options = z.strictObject({
  data: z
    .array(z.string())
    .optional()
    .describe("text to score (default: the run's validation part)")
    .meta({ value: "path" }),
  generated: whole(1)
    .optional()
    .describe("score so many texts that the model writes itself, a context each, at temperature 1"),
  maxTokens: whole(1)
    .optional()
    .describe("score at most so many tokens of the validation part, evenly spread (one window at least)"),
  batchSize: whole(1).default(8).describe("windows a pass"),
  ...capacityOptions,
  perToken: z.boolean().default(false).describe("also each token's loss and routing under each rule"),
  ...checkpointOption,
  ...runtimeOptions,
  ...jsonOption,
});

export const evaluate = defineCommand({
  description:
    "Teacher-forced loss under top-k (which sees the future), under the causal rules the model was trained for, and under controls (through, around, random). Windows do not overlap; each starts with the end-of-text token. --json prints {tokens, bytes, rules}; with --per-token, tokens is the list of tokens and tokenCount their number.",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: [
    "mod eval runs/small",
    "mod eval runs/small --generated 32",
    "mod eval runs/small --data essay.txt --per-token --json",
  ],
  async run({ args: [dir], options: given, output }) {
    const { data, generated, maxTokens } = given;
    if (data !== undefined && generated !== undefined) {
      throw new UsageError(["--data and --generated name two texts to score; leave one out"]);
    }
    if (maxTokens !== undefined && (data ?? generated) !== undefined) {
      const other = data === undefined ? "--generated" : "--data";
      throw new UsageError([`--max-tokens is for the run's validation part; leave it out where ${other} is given`]);
    }
    const saved = openModel(dir!, given.checkpoint, output);
    const runtime = await makeRuntime(given);
    const { windows, total, close } = await windowsFor(saved, given, runtime, output);
    const evaluator = new Evaluator(saved.model, tokenByteLengths(saved.tokenizer), runtime, {
      ...(given.budget !== undefined && { budget: given.budget }),
      ...(given.calibrated && { thresholds: calibrations(saved) }),
    });
    const line = output.progress("eval", Math.max(1, total));
    const scored: ScoredToken[] = [];
    const result = await evaluator.evaluate(windows, saved.parameters, {
      batchSize: given.batchSize,
      onProgress: (tokens) => line.update(tokens),
      ...(given.perToken && { onToken: (token: ScoredToken) => scored.push(token) }),
    });
    line.done();
    close();
    await evaluator.dispose();
    printResult(result, output);
    printExperts(result, saved, output);
    const text = (id: number) => saved.tokenizer.decode([id], { specialTokens: true });
    const tokens = scored.map(({ id, ...rest }) => ({ id, text: text(id), ...rest }));
    if (given.perToken) for (const token of tokens) output.print(tokenLine(token));
    return given.perToken ? { tokenCount: result.tokens, ...result, tokens } : result;
  },
});

/** The thresholds of every rule that was calibrated; the model's own must be. */
function calibrations(saved: SavedModel) {
  calibratedThresholds(saved, chooseRule<CausalRule>(saved, undefined));
  return allCalibratedThresholds(saved);
}

async function windowsFor(saved: SavedModel, given: z.output<typeof options>, runtime: Runtime, output: Output) {
  const texts = await askedTexts(saved, given, runtime, output);
  if (texts === undefined) {
    const { windows, close } = await validationText(saved, output, given.maxTokens);
    return { windows, total: windows.tokens, close };
  }
  const { tokenizer, model } = saved;
  const windows = texts.flatMap((ids) => evaluationWindows(ids, model.seqLen, tokenizer.endOfText));
  return { windows, total: windows.reduce((sum, { length }) => sum + length, 0), close: () => {} };
}

/** Ids of the texts that were asked for; undefined where that is the validation part. */
async function askedTexts(
  saved: SavedModel,
  { data, generated, calibrated, budget }: z.output<typeof options>,
  runtime: Runtime,
  output: Output,
): Promise<ArrayLike<number>[] | undefined> {
  if (generated !== undefined) {
    const line = output.progress("write", generated * saved.model.seqLen);
    const sampling = { calibrated, ...(budget !== undefined && { budget }) };
    const texts = await writtenTexts(saved, generated, runtime, sampling, (tokens) => line.update(tokens));
    line.done();
    return texts;
  }
  if (data === undefined) return undefined;
  const texts: ArrayLike<number>[] = [];
  for await (const { text } of readDocuments(data, { textColumn: saved.config.data.textColumn })) {
    texts.push(saved.tokenizer.encode(text));
  }
  return texts;
}

function printResult({ tokens, bytes, rules }: EvaluationResult, output: Output): void {
  output.print(`${tokens} tokens, ${bytes} bytes`);
  const share = (value: number | null | undefined) => (value === null || value === undefined ? "-" : percent(value));
  const rows = Object.entries(rules).flatMap(([rule, result]) => {
    if (result === null) return [];
    const { lossNats, bitsPerByte, capacityByLayer, accuracy, precision, recall, f1, agreement } = result;
    const capacity = capacityByLayer.map((x) => (100 * x).toFixed(1)).join(" ");
    const quality = [accuracy, precision, recall, f1, agreement].map(share);
    return [[rule, lossNats.toFixed(4), bitsPerByte.toFixed(4), ...quality, capacity]];
  });
  const headings = [
    "rule",
    "nats/token",
    "bits/byte",
    "accuracy",
    "precision",
    "recall",
    "F1",
    "agreement",
    "capacity by layer, %",
  ];
  output.print(table(headings, rows));
}

/** How experts are used, under the rule of training and the one the model samples with. */
function printExperts({ rules }: EvaluationResult, { model }: SavedModel, output: Output): void {
  for (const rule of new Set(["topk" as const, causalRule(model)])) {
    const experts = rule === null ? undefined : rules[rule]?.experts;
    if (experts !== undefined) output.print(`\nexperts, rule ${rule}\n${expertTable(experts, model)}`);
  }
}

const tokenLine = ({ text, lossNats, routed }: Omit<ScoredToken, "id"> & { text: string }): string => {
  const parts = Object.entries(lossNats).map(([rule, nats]) => {
    const layers = routed[rule as keyof typeof routed] ?? [];
    return `${rule} ${nats.toFixed(3)} [${layers.join(" ")}]`;
  });
  return `${JSON.stringify(text)}\t${parts.join("\t")}`;
};
