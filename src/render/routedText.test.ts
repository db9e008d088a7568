import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { renderRoutedText } from "./routedText.ts";
import type { RoutingMap } from "./routingMap.ts";

const map: RoutingMap = {
  tokens: ["The", " cat", " sat.\n", "It", "\tslept"],
  layers: [
    { index: 0, kind: "dense", routedThrough: [true, true, true, true, true] },
    { index: 1, kind: "mod", routedThrough: [false, true, true, false, false] },
    { index: 2, kind: "dense", routedThrough: [true, true, true, true, true] },
    { index: 3, kind: "mod", routedThrough: [false, true, false, false, true] },
  ],
};

test("without colour, counts stand behind the tokens, before a line end", () => {
  expect(renderRoutedText(map, "count", { color: false })).toBe(
    "The cat² sat.¹\nIt    slept¹\n\nThe number behind a token: how many of the 2 routed layers it goes through.",
  );
  expect(renderRoutedText(map, "count", { color: false, unicode: false })).toContain("The cat(2) sat.(1)\nIt");
});

test("without colour, one layer's tokens stand in brackets", () => {
  expect(renderRoutedText(map, 3, { color: false })).toBe(
    "The[ cat] sat.\nIt[    slept]\n\n[token]: goes through layer 3 (mod).",
  );
});

test("colour leaves the text as it is, and ends before every line end", () => {
  const drawn = renderRoutedText(map, "count", { color: true });
  expect(stripVTControlCharacters(drawn)).toBe("The cat sat.\nIt    slept\n\n 0 routed layers   1   2 ");
  for (const line of drawn.split("\n")) expect(line.lastIndexOf("\x1b[0m")).toBe(line.lastIndexOf("\x1b["));
});

test("more layers, another shade; none, no shade", () => {
  const drawn = renderRoutedText(map, "count", { color: true });
  const shadeOf = (token: string): string | undefined => /48;5;(\d+)m$/.exec(drawn.split(token)[0]!)?.[1];
  expect(shadeOf(" cat")).toMatch(/^\d+$/);
  expect(shadeOf(" sat.")).toMatch(/^\d+$/);
  expect(shadeOf(" cat")).not.toBe(shadeOf(" sat."));
  expect(drawn.startsWith("The\x1b[")).toBe(true);
});

test("one layer in colour marks its tokens alone", () => {
  const drawn = renderRoutedText(map, 1, { color: true });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  const marked = [...drawn.matchAll(/48;5;\d+m([^\x1b]*)\x1b\[0m/g)].map(([, text]) => text);
  expect(marked).toEqual([" cat", " sat.", " through "]);
});

test("the text can't send codes to the terminal", () => {
  expect(renderRoutedText({ ...map, tokens: ["\x1b[2J", "a", "b", "c", "d"] }, 1, { color: false })).toContain(
    "\\x1b[2J",
  );
});

test("a layer that is not there is refused with those that are", () => {
  expect(() => renderRoutedText(map, 7, { color: false })).toThrow("layer must be one of 0, 1, 2, 3, got 7");
});
