import fc from "fast-check";
import { expect, test } from "vitest";
import { cases } from "../testing/cases.ts";
import { displayWidth, escapeUnprintable, hasWideText, visibleToken } from "./tokenText.ts";

const UNICODE = { unicode: true, maxWidth: 14 };
const ASCII = { unicode: false, maxWidth: 14 };

test.each([
  [" the", "␣the", "_the"],
  ["\n\t", "↵⇥", "\\n\\t"],
  ["", "∅", "<>"],
  ["\x1b[2J", "\\x1b[2J", "\\x1b[2J"],
  ["a\u202eb", "a\\u202eb", "a\\u202eb"],
  ["\ud800", "\\ud800", "\\ud800"],
  ["für", "für", "f?r"],
  ["incomprehensibilities", "incomprehensi…", "incomprehensi~"],
])("%j is shown as %s, or in ASCII as %s", (token, unicode, ascii) => {
  expect(visibleToken(token, UNICODE)).toBe(unicode);
  expect(visibleToken(token, ASCII)).toBe(ascii);
});

test.each([
  ["abc", 3],
  ["人民", 4],
  ["🚀", 2],
  ["👩‍👩‍👧", 2],
  ["e\u0301", 1],
  ["\u0301", 0],
])("%s is %i cells wide", (text, width) => {
  expect(displayWidth(text)).toBe(width);
});

test("a wide character is not cut in half", () => {
  expect(visibleToken("人民人民", { unicode: true, maxWidth: 4 })).toBe("人…");
  expect(visibleToken("👩‍👩‍👧👩‍👩‍👧", { unicode: true, maxWidth: 3 })).toBe("👩‍👩‍👧…");
});

test("whatever the text, no column is wider than allowed and nothing unprintable is left", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 2, max: 20 }), (text, maxWidth) => {
      const shown = visibleToken(text, { unicode: true, maxWidth });
      expect(displayWidth(shown)).toBeLessThanOrEqual(maxWidth);
      expect(shown).toBe(escapeUnprintable(shown));
      expect(visibleToken(text, { unicode: false, maxWidth })).toMatch(/^[\x21-\x7e]+$/);
    }),
    cases(500),
  );
});

test("wide text is known", () => {
  expect(["plain ␣", "人", "🚀"].map(hasWideText)).toEqual([false, true, true]);
});
