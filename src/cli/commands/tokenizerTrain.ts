import { mkdirSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { readDocuments } from "../../data/documents.ts";
import { trainBpe } from "../../data/tokenizer/trainBpe.ts";
import { tokenizerHash } from "../../data/tokenizerHash.ts";
import { writeFileAtomic } from "../../files/atomic.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, whole } from "../sharedOptions.ts";

const options = z.strictObject({
  data: z.array(z.string()).default(["sotu"]).describe("files, folders, - or sotu").meta({ value: "path" }),
  out: z.string().default("tokenizer.json").describe("file to write").meta({ value: "file" }),
  vocabSize: whole(257).default(4096).describe("tokens in the vocabulary, bytes and special tokens included"),
  textColumn: z.string().default("text").describe("field of .jsonl, column of .parquet").meta({ value: "name" }),
  ...jsonOption,
});

export const tokenizerTrain = defineCommand({
  description:
    "Trains a byte-level BPE vocabulary with GPT-2's pre-tokenisation and writes it as a Hugging Face tokenizer.json. Training takes it with --set data.tokenizer.kind=file data.tokenizer.path=FILE.",
  options,
  examples: ["mod tokenizer train --data books/ --vocab-size 8192 --out books.json"],
  async run({ options: { data, out, vocabSize, textColumn }, output }) {
    mkdirSync(path.dirname(out), { recursive: true }); // a bad path shows now, not after the work
    const line = output.progress("vocabulary", vocabSize);
    const texts = async function* () {
      for await (const { text } of readDocuments(data, { textColumn })) yield text;
    };
    const { tokenizer, distinctPieces, shortfall } = await trainBpe(texts(), {
      vocabSize,
      onProgress: (progress) => {
        if ("tokens" in progress) line.update(progress.tokens);
      },
    });
    line.done();
    writeFileAtomic(out, `${JSON.stringify(tokenizer.toJson())}\n`);
    if (shortfall) output.note(shortfall);
    output.print(`${tokenizer.vocabSize} tokens from ${distinctPieces} distinct words; written to ${out}`);
    return { file: out, vocabSize: tokenizer.vocabSize, distinctPieces, hash: tokenizerHash(tokenizer), shortfall };
  },
});
