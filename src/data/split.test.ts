import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../testing/cases.ts";
import type { Document } from "./document.ts";
import { cutPosition, type SplitRule, SplitTally } from "./split.ts";

const documentsOf = (count: number): Document[] =>
  Array.from({ length: count }, (_, i) => ({ name: `d${i}`, text: `text ${i}` }));

function split(documents: readonly Document[], rule: SplitRule) {
  const tally = new SplitTally(rule);
  for (const { name } of documents) tally.add(name);
  const plan = tally.plan();
  const parts = documents.flatMap((document, i) => plan.partsOf(i, document));
  const named = (part: string) => parts.filter((p) => p.part === part).map((p) => p.document);
  return { plan, train: named("train"), validation: named("validation") };
}

describe("split by document", () => {
  it("holds out about the fraction asked for, the same documents every time", () => {
    const documents = documentsOf(4000);
    const rule = { seed: 1, validationFraction: 0.05 };
    const { plan, train, validation } = split(documents, rule);
    expect(plan.by).toBe("document");
    expect(train.length + validation.length).toBe(4000);
    expect(Math.abs(validation.length - 200)).toBeLessThan(45);
    expect(split(documents, rule).validation).toEqual(validation);
    expect(split(documents, { ...rule, seed: 2 }).validation).not.toEqual(validation);
  });

  it("only adds to validation when the fraction grows", () => {
    const documents = documentsOf(500);
    const small = split(documents, { seed: 3, validationFraction: 0.1 }).validation;
    const large = split(documents, { seed: 3, validationFraction: 0.3 }).validation;
    expect(large).toEqual(expect.arrayContaining(small));
  });

  it("leaves each side one document at least", () => {
    for (let seed = 0; seed < 50; seed++) {
      for (const validationFraction of [0.001, 0.999]) {
        const { train, validation } = split(documentsOf(3), { seed, validationFraction });
        expect([train.length, validation.length].sort()).toEqual([1, 2]);
      }
    }
  });

  it("refuses what cannot be split", () => {
    expect(() => split([], { seed: 0, validationFraction: 0.1 })).toThrow("needs a document with text, got none");
    for (const validationFraction of [0, 1, Number.NaN]) {
      expect(() => new SplitTally({ seed: 0, validationFraction })).toThrow("must lie between 0 and 1");
    }
    expect(() => new SplitTally({ seed: 0.5, validationFraction: 0.1 })).toThrow("seed must be an integer, got 0.5");
    expect(() => split([{ name: "a", text: "x" }], { seed: 0, validationFraction: 0.1 })).toThrow(
      "2 characters or more, got 1",
    );
  });
});

describe("split by position", () => {
  it("holds out the end of a single document", () => {
    const text = Array.from({ length: 100 }, (_, i) => `Paragraph ${i}.\n\n`).join("");
    const { plan, train, validation } = split([{ name: "book", text }], { seed: 0, validationFraction: 0.1 });
    expect(plan.by).toBe("position");
    expect(train[0]!.text + validation[0]!.text).toBe(text);
    expect(validation[0]!.text.startsWith("Paragraph 90.")).toBe(true);
  });

  it("cuts at a paragraph, else a line, else a word, else a character", () => {
    const words = "word ".repeat(200);
    expect(words[cutPosition(words, 0.1) - 1]).toBe(" ");
    const lines = "a line of text\n".repeat(100);
    expect(lines[cutPosition(lines, 0.1) - 1]).toBe("\n");
    const farParagraph = `${"start\n\n"}${lines}`;
    expect(farParagraph.length - cutPosition(farParagraph, 0.1)).toBeLessThan(0.15 * farParagraph.length);
    expect(cutPosition("x".repeat(100), 0.1)).toBe(90);
  });

  it("never loses text, never leaves a side empty, never cuts a character", () => {
    const text = fc.string({ unit: fc.constantFrom("a", " ", "\n", "\n\n", "👍", "é"), minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(text, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (document, fraction) => {
        fc.pre([...document].length >= 2);
        const cut = cutPosition(document, fraction);
        expect(cut).toBeGreaterThan(0);
        expect(cut).toBeLessThan(document.length);
        const head = document.slice(0, cut);
        expect(Buffer.from(head).toString()).toBe(head);
      }),
      cases(),
    );
  });
});
