import type { Runtime } from "../runtime/executor.ts";
import { type GenerativeModel, Generator, type GeneratorOptions } from "./generator.ts";

/**
 * Texts that a model writes from nothing at temperature 1, a context each unless it ends one earlier: ids without
 * `<|endoftext|>`. What text that it reads again shows of routing on its own terms.
 */
export async function writtenTexts(
  saved: GenerativeModel,
  count: number,
  runtime: Runtime,
  options: GeneratorOptions = {},
  onProgress: (tokens: number) => void = () => {},
): Promise<number[][]> {
  const generator = await Generator.create(saved, runtime, options);
  const texts = Array.from({ length: count }, () => [] as number[]);
  try {
    for (const seed of texts.keys()) generator.submit("", { tokens: saved.model.seqLen, temperature: 1, seed });
    let written = 0;
    while (!generator.isIdle) {
      for (const { completion, token } of await generator.step()) {
        if (token.id !== saved.tokenizer.endOfText) texts[completion]!.push(token.id);
        written++;
      }
      onProgress(written);
    }
  } finally {
    await generator.dispose();
  }
  return texts;
}
