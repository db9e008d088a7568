import path from "node:path";
import { z } from "zod";
import { checkExportFolder, type ExportedFile } from "../../export/exportFolder.ts";
import { exportOnnx } from "../../export/exportOnnx.ts";
import { exportSafetensors } from "../../export/exportSafetensors.ts";
import {
  type LossBeforeAfter,
  NOT_MEASURED,
  type QuantizationLossOptions,
  quantizationLoss,
} from "../../export/quantizationLoss.ts";
import { RULES } from "../../model/rules.ts";
import { WEIGHT_FORMATS } from "../../model/weights.ts";
import { calibratedThresholds } from "../../run/calibrations.ts";
import { packageVersion } from "../../run/provenance.ts";
import type { SavedModel } from "../../run/savedModel.ts";
import { chooseRule } from "../../sample/chooseRule.ts";
import { defineCommand } from "../command.ts";
import { compact, table } from "../format.ts";
import { openModel } from "../openModel.ts";
import type { Output } from "../output.ts";
import { capacityOptions, checkpointOption, jsonOption, makeRuntime, runtimeOptions, whole } from "../sharedOptions.ts";
import { UsageError } from "../usage.ts";
import { type ValidationText, validationText } from "../validationText.ts";

const options = z.strictObject({
  out: z.string().describe("folder to write").meta({ value: "dir" }),
  format: z.enum(["onnx", "safetensors"]).default("onnx").describe("what to write"),
  quantize: z
    .enum(WEIGHT_FORMATS)
    .exclude(["float32"])
    .optional()
    .describe("round the weights of products to 8 or 4 bits, and measure what it costs"),
  rule: z.enum(RULES).exclude(["topk"]).optional().describe("which causal rule decides (default: the model's)"),
  target: z
    .enum(["standard", "onnxruntime"])
    .optional()
    .describe(
      "operators of any ONNX tool, or also ONNX Runtime's own (default: standard; onnxruntime with --quantize)",
    ),
  maxTokens: whole(1)
    .optional()
    .describe("measure --quantize on at most so many tokens of the validation part (default: all)"),
  calibrated: capacityOptions.calibrated,
  force: z.boolean().default(false).describe("replace an earlier export"),
  threads: runtimeOptions.threads,
  ...checkpointOption,
  ...jsonOption,
});
type Options = z.output<typeof options>;

export const exportModel = defineCommand({
  description:
    "Writes a trained model as files that need nothing of this package. onnx: a pass over a prompt (forward.onnx), a step of decoding with caches (step.onnx), the tokenizer, and what is needed to run them (model.json, README.md). safetensors: the weights, the configuration and the tokenizer. See docs/EXPORT.md.",
  arguments: [{ name: "run", description: "run folder" }],
  options,
  examples: [
    "mod export runs/small --out exported",
    "mod export runs/small --out exported-int8 --quantize int8",
    "mod export runs/small --out weights --format safetensors",
  ],
  async run({ args: [dir], options: given, output }) {
    checkFormat(given);
    checkExportFolder(given.out, given.force);
    const saved = openModel(dir!, given.checkpoint, output);
    return given.format === "onnx" ? asOnnx(saved, given, output) : asSafetensors(saved, given, output);
  },
});

/** Safetensors hold weights, and nothing that runs them. */
function checkFormat({ format, quantize, rule, target, calibrated }: Options): void {
  if (format === "onnx") return;
  const problems = Object.entries({ "--rule": rule, "--target": target, "--calibrated": calibrated || undefined })
    .filter(([, value]) => value !== undefined)
    .map(
      ([flag]) => `${flag} is for --format onnx: safetensors hold weights, which are the same for all; leave it out`,
    );
  if (quantize !== undefined) {
    problems.push(
      "--quantize is for --format onnx: safetensors have no type for blocks of codes that share a scale, so that " +
        "no other program could read them; leave it out, or quantise with the tools of the program that will",
    );
  }
  if (problems.length > 0) throw new UsageError(problems);
}

async function asOnnx(saved: SavedModel, given: Options, output: Output) {
  const { out, quantize, force } = given;
  const rule = chooseRule(saved, given.rule);
  const target = given.target ?? (quantize === undefined ? "standard" : "onnxruntime");
  const thresholds = given.calibrated ? calibratedThresholds(saved, rule) : undefined;
  const how = { rule, target, ...(thresholds && { thresholds }) };
  const bitsPerByte =
    quantize === undefined ? NOT_MEASURED : await measure(saved, { ...how, weights: quantize }, given, output);
  output.note(`writing ${out}`);
  const { files, description } = exportOnnx(out, saved, {
    ...{ ...how, weights: quantize ?? "float32", bitsPerByte, force },
    packageVersion: packageVersion(),
  });
  printFiles(out, files, output);
  if (bitsPerByte.before !== null && bitsPerByte.after !== null) {
    const [before, after] = [bitsPerByte.before, bitsPerByte.after].map((bits) => bits.toFixed(4));
    output.print(`${quantize}: ${after} bits/byte under the rule ${description.rule}, ${before} before`);
  }
  return { dir: out, format: "onnx", files, rule: description.rule, quantization: quantize ?? null, bitsPerByte };
}

function asSafetensors(saved: SavedModel, { out, force }: Options, output: Output) {
  output.note(`writing ${out}`);
  const files = exportSafetensors(out, saved, { packageVersion: packageVersion(), force });
  printFiles(out, files, output);
  return { dir: out, format: "safetensors", files, rule: null, quantization: null, bitsPerByte: NOT_MEASURED };
}

/** What quantising costs on the run's validation part; null, with a note, where that text is not there. */
async function measure(
  saved: SavedModel,
  how: Pick<QuantizationLossOptions, "rule" | "thresholds" | "target" | "weights">,
  { maxTokens, threads }: Options,
  output: Output,
): Promise<LossBeforeAfter> {
  let text: ValidationText;
  try {
    text = await validationText(saved, output, maxTokens);
  } catch (error) {
    output.note(`loss not measured: ${(error as Error).message}`);
    return NOT_MEASURED;
  }
  const line = output.progress("loss before and after", Math.max(1, 2 * text.windows.tokens));
  try {
    const runtime = await makeRuntime({ threads });
    return await quantizationLoss(saved, text.windows, { ...how, runtime, onProgress: (done) => line.update(done) });
  } finally {
    line.done();
    text.close();
  }
}

function printFiles(dir: string, files: readonly ExportedFile[], output: Output): void {
  const rows = files.map(({ name, bytes }) => [path.join(dir, name), compact(bytes)]);
  output.print(table(["file", "bytes"], rows));
}
