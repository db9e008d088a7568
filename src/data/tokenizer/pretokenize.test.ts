import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../../testing/cases.ts";
import { keepable, pieces } from "./pretokenize.ts";

// GPT-2's expression, with Unicode's White_Space in place of JavaScript's own \s.
const EXPRESSION =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const interesting = fc.constantFrom(
  ..."aZé1٣ \t\n\u00a0\u0085\ufeff\u3000'.,!👍𝒜𝟘漢".match(/./gsu)!,
  "'s",
  "'re",
  "'ll",
  "'x",
  "  ",
  "\ud800",
  "\udc00",
);

describe("pieces", () => {
  it("cuts a sentence as GPT-2 does", () => {
    expect(pieces("We'll  see: it's 1,000 'cause\n\n x ")).toEqual([
      "We",
      "'ll",
      " ",
      " see",
      ":",
      " it",
      "'s",
      " 1",
      ",",
      "000",
      " '",
      "cause",
      "\n\n",
      " x",
      " ",
    ]);
  });

  it("agrees with the regular expression on every text", () => {
    fc.assert(
      fc.property(fc.array(interesting, { maxLength: 30 }), (parts) => {
        const text = parts.join("");
        expect(pieces(text)).toEqual(text.match(EXPRESSION) ?? []);
      }),
      cases(3000),
    );
  });

  it("agrees with the regular expression on every code point after a letter, a space and before a letter", () => {
    for (let code = 0; code <= 0x10ffff; code += code < 0x3400 ? 1 : 257) {
      const text = `a ${String.fromCodePoint(code)}b`;
      expect(pieces(text), `U+${code.toString(16)}`).toEqual(text.match(EXPRESSION));
    }
  });

  it("keeps a piece unchanged, lone surrogates included", () => {
    for (const piece of ["", "short", "a long piece of text", `\udc00${"é".repeat(20)}👍\ud800`]) {
      expect(keepable(piece)).toBe(piece);
    }
  });
});
