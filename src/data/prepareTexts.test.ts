import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { uniform } from "../random.ts";
import type { Document } from "./document.ts";
import { prepareData } from "./prepare.ts";
import { prepareTexts } from "./prepareTexts.ts";
import type { TokenStream } from "./tokenStream.ts";

const WORDS = "naïve kings and queens walk under old stone bridges 木 🙂 while rivers sing".split(" ");
const textOf = (seed: number, words = 80) =>
  Array.from({ length: words }, (_, i) => WORDS[Math.floor(WORDS.length * uniform(seed, i))]).join(" ");

const dir = mkdtempSync(path.join(tmpdir(), "mod-texts-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** All that a stream answers. */
const contentOf = (stream: TokenStream) => ({
  ids: [...stream.read(0, stream.tokens)],
  starts: [...stream.documentStarts(0, stream.documents)],
  textBytes: stream.textBytes,
  endOfText: stream.endOfText,
});

describe("texts in memory are prepared as a folder of files is", () => {
  const several = Array.from({ length: 9 }, (_, i) => ({ name: `${(i * 7) % 9}.txt`, text: i === 4 ? "" : textOf(i) }));
  const cases: Record<string, readonly Document[]> = {
    "several, in any order, one of them empty": several,
    "a single one": [{ name: "one.txt", text: textOf(1, 400) }],
  };
  for (const [name, documents] of Object.entries(cases)) {
    test.each([{ kind: "bytes" }, { kind: "bpe", vocabSize: 280 }] as const)(`${name}: %o`, async (tokenizer) => {
      const source = path.join(dir, `${name}-${tokenizer.kind}`);
      mkdirSync(source);
      for (const document of documents) writeFileSync(path.join(source, document.name), document.text);
      const rule = { tokenizer, validationFraction: 0.25, seed: 3 };
      const onDisk = await prepareData({ ...rule, sources: [source], outDir: `${source}-prepared` });
      const inMemory = await prepareTexts(documents, rule);
      for (const part of ["train", "validation"] as const) {
        expect(contentOf(inMemory[part])).toEqual(contentOf(onDisk[part]));
      }
      expect(inMemory.tokenizerHash).toBe(onDisk.tokenizerHash);
      onDisk.close();
    });
  }
});

test("a stream in memory gives stretches, copies of them, and refuses what lies outside", async () => {
  const { train } = await prepareTexts([{ name: "a", text: textOf(1) }], { tokenizer: { kind: "bytes" } });
  const target = new Int32Array(6);
  train.readInto(target, 2, 10, 4);
  expect([...target]).toEqual([0, 0, ...train.read(10, 4)]);
  train.read(0, 5).fill(7);
  expect(train.read(0, 1)[0]).toBe(train.endOfText);
  expect(() => train.read(train.tokens - 1, 2)).toThrow(/tokens must lie in \[0, \d+\), got 2 from/);
  expect(() => train.documentStarts(1, 1)).toThrow(/documents must lie in/);
});

test("texts without text are refused", async () => {
  await expect(prepareTexts([{ name: "a", text: "" }], { tokenizer: { kind: "bytes" } })).rejects.toThrow(/got none/);
});
