import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cases } from "../testing/cases.ts";
import { type EvaluationWindow, evaluationBatches, evaluationWindows, validationWindows } from "./evaluationWindows.ts";
import { TokenFile } from "./tokenFile.ts";
import { TokenFileWriter } from "./tokenFileWriter.ts";

const END = 256;
const targetsOf = (windows: Iterable<EvaluationWindow>) => [...windows].flatMap((w) => [...w.targets]);
const ids = fc.array(fc.nat(255), { maxLength: 40 });

describe("evaluationWindows", () => {
  it("scores every token once, each window after endOfText alone", () => {
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 12 }), (document, seqLen) => {
        const windows = evaluationWindows(document, seqLen, END);
        expect(targetsOf(windows)).toEqual(document);
        expect(windows).toHaveLength(Math.ceil(document.length / seqLen));
        windows.forEach((window, i) => {
          expect(window.start).toBe(i * seqLen);
          expect(window.length).toBe(Math.min(seqLen, document.length - i * seqLen));
          expect([...window.tokens]).toEqual([END, ...window.targets].slice(0, window.length));
        });
      }),
      cases(),
    );
  });

  it("gives an empty document no window, and refuses a length of 0", () => {
    expect(evaluationWindows([], 4, END)).toEqual([]);
    expect(() => evaluationWindows([1], 0, END)).toThrow("evaluationWindows: seqLen must be a positive integer, got 0");
  });
});

describe("evaluationBatches", () => {
  it("pads rows with endOfText and the last batch with empty rows", () => {
    const windows = evaluationWindows([1, 2, 3, 4, 5, 6, 7], 3, END);
    const [first, second, ...more] = evaluationBatches(windows, { batchSize: 2, seqLen: 4 });
    expect(more).toEqual([]);
    expect([...first!.tokens]).toEqual([END, 1, 2, END, END, 4, 5, END]);
    expect([...first!.targets]).toEqual([1, 2, 3, 0, 4, 5, 6, 0]);
    expect([...first!.lengths]).toEqual([3, 3]);
    expect([...second!.tokens]).toEqual([END, END, END, END, END, END, END, END]);
    expect([...second!.targets]).toEqual([7, 0, 0, 0, 0, 0, 0, 0]);
    expect([...second!.lengths]).toEqual([1, 0]);
    expect([...second!.documents]).toEqual(new Array(8).fill(0));
  });

  it("refuses windows longer than a row", () => {
    const windows = evaluationWindows([1, 2, 3], 3, END);
    expect(() => [...evaluationBatches(windows, { batchSize: 1, seqLen: 2 })]).toThrow(
      "at most seqLen=2 tokens, got 3",
    );
  });
});

describe("validationWindows", () => {
  let dir: string;
  let file: TokenFile;
  const documents = [[...Array(23).keys()], [], [7], [...Array(40).keys()], [...Array(5).keys()]];

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), "mod-windows-"));
    const name = path.join(dir, "v.tokens");
    const writer = new TokenFileWriter(name, { vocabSize: 257, endOfText: END, tokenizerHash: "0".repeat(64) });
    for (const document of documents) writer.addDocument(document, document.length);
    writer.finish();
    file = TokenFile.open(name);
  });
  afterEach(() => {
    file.close();
    rmSync(dir, { recursive: true });
  });

  it("gives the windows of every document, as often as asked", () => {
    const windows = validationWindows(file, 8);
    const expected = documents.flatMap((document) => evaluationWindows(document, 8, END));
    expect([...windows]).toEqual(expected);
    expect([...windows]).toEqual(expected);
    expect(windows.length).toBe(expected.length);
    expect(windows.tokens).toBe(69);
  });

  it("takes an evenly spread part within maxTokens", () => {
    const all = [...validationWindows(file, 2)];
    for (let maxTokens = 2; maxTokens <= 69; maxTokens++) {
      const windows = validationWindows(file, 2, { maxTokens });
      expect(windows.tokens).toBeLessThanOrEqual(maxTokens);
      expect(windows.tokens).toBe(targetsOf(windows).length);
      expect(windows.tokens).toBeGreaterThan(maxTokens * 0.6 - 2);
    }
    const few = [...validationWindows(file, 2, { maxTokens: 8 })].map((w) =>
      all.findIndex((a) => a.start === w.start && a.length === w.length),
    );
    expect(few).toHaveLength(4);
    expect(validationWindows(file, 8, { maxTokens: 1 }).length).toBe(1);
    expect(() => validationWindows(file, 8, { maxTokens: 0 })).toThrow("maxTokens must be at least 1, got 0");
  });
});
