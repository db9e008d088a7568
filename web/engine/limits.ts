import { countParameters, type ModelConfig } from "../../src/browser.ts";
import { EngineError } from "./failure.ts";

/** A WebAssembly memory has at most 4 GiB, of which activations want their part. */
const TRAINING_BYTES = 2 * 2 ** 30;
const SAMPLING_BYTES = 2 ** 30;
/** Value, gradient and two moments of a parameter. */
const TRAINED_BYTES = 16;
const FLOAT_BYTES = 4;

/** @throws where a model's training state is more than a browser can hold */
export const checkTrainable = (model: ModelConfig): void => check("train", model, TRAINED_BYTES, TRAINING_BYTES);

/** @throws where a model's weights are more than a browser can hold */
export const checkLoadable = (model: ModelConfig): void => check("load", model, FLOAT_BYTES, SAMPLING_BYTES);

function check(where: string, model: ModelConfig, bytesEach: number, most: number): void {
  const parameters = countParameters(model);
  if (parameters * bytesEach <= most) return;
  const millions = (count: number) => `${Math.round(count / 1e6)} million`;
  throw new EngineError(
    "memory",
    `${where}: a model must have at most ${millions(most / bytesEach)} parameters in a browser, got ${millions(parameters)}; use mod ${
      where === "train" ? "train" : "sample"
    }, or a smaller one`,
  );
}
