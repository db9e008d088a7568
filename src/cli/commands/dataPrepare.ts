import { z } from "zod";
import { prepareData, type TokenizerChoice } from "../../data/prepare.ts";
import { defineCommand } from "../command.ts";
import { showPreparation } from "../prepareProgress.ts";
import { jsonOption, real, whole } from "../sharedOptions.ts";

const options = z.strictObject({
  data: z.array(z.string()).default(["sotu"]).describe("files, folders, - or sotu").meta({ value: "path" }),
  out: z.string().describe("folder to write, new or empty").meta({ value: "dir" }),
  tokenizer: z
    .string()
    .optional()
    .describe("bytes, gpt2, or a tokenizer.json (default: a BPE vocabulary is trained)")
    .meta({ value: "name|file" }),
  vocabSize: whole(257).default(4096).describe("size of the vocabulary that is trained"),
  validationFraction: real(0, 1).default(0.05).describe("share of the documents that is held out"),
  seed: whole(0).default(0).describe("seed of the split"),
  textColumn: z.string().default("text").describe("field of .jsonl, column of .parquet").meta({ value: "name" }),
  ...jsonOption,
});

/** What `--tokenizer` and `--vocab-size` stand for. */
export function tokenizerChoice(tokenizer: string | undefined, vocabSize: number): TokenizerChoice {
  if (tokenizer === undefined) return { kind: "bpe", vocabSize };
  return tokenizer === "bytes" || tokenizer === "gpt2" ? { kind: tokenizer } : { kind: "file", path: tokenizer };
}

export const dataPrepare = defineCommand({
  description:
    "Reads documents, trains a vocabulary on the training part unless one is given, and writes a folder of token files for training and validation, to be trained on with mod train --data DIR.",
  options,
  examples: [
    "mod data prepare --out data/sotu",
    "mod data prepare --data books/ more.jsonl.gz --vocab-size 8192 --out data/books",
  ],
  async run({ options: { data, out, tokenizer, vocabSize, validationFraction, seed, textColumn }, output }) {
    const preparation = showPreparation(output);
    const prepared = await prepareData({
      sources: data,
      tokenizer: tokenizerChoice(tokenizer, vocabSize),
      validationFraction,
      seed,
      textColumn,
      outDir: out,
      onProgress: preparation.onProgress,
    });
    preparation.done();
    prepared.close();
    const { summary } = prepared;
    if (summary.tokenizer.shortfall) output.note(summary.tokenizer.shortfall);
    for (const part of ["train", "validation"] as const) {
      const { documents, tokens, textBytes } = summary[part];
      output.print(`${part}: ${documents} documents, ${tokens} tokens, ${textBytes} bytes`);
    }
    output.print(`vocabulary: ${summary.tokenizer.vocabSize}; written to ${out}`);
    return { dir: out, ...summary };
  },
});
