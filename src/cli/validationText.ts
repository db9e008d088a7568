import { type EvaluationWindows, validationWindows } from "../data/evaluationWindows.ts";
import { tokenizerHash } from "../data/tokenizerHash.ts";
import type { SavedModel } from "../run/savedModel.ts";
import type { Output } from "./output.ts";
import { dataOfRun } from "./runTraining.ts";

export interface ValidationText {
  readonly windows: EvaluationWindows;
  close(): void;
}

/**
 * The validation part of the text that a run was trained on.
 *
 * @param maxTokens of evenly spread windows; all of it, if not given
 * @throws where the text is not there any more, or has changed
 */
export async function validationText(
  { dir, config, tokenizer, model }: SavedModel,
  output: Output,
  maxTokens?: number,
): Promise<ValidationText> {
  const prepared = await dataOfRun(dir, config, output);
  if (prepared.tokenizerHash !== tokenizerHash(tokenizer)) {
    prepared.close();
    throw new Error(
      `validation: ${dir} must be scored on text in its own tokenizer, got that of another text; ` +
        "its sources have changed since (mod eval --data scores any text)",
    );
  }
  const options = maxTokens === undefined ? {} : { maxTokens };
  return { windows: validationWindows(prepared.validation, model.seqLen, options), close: () => prepared.close() };
}
