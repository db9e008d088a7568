import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import type { RoutingMap } from "./routingMap.ts";
import { renderRoutingMap } from "./terminal.ts";
import { exampleMap, expertMap } from "./testing/maps.ts";
import { displayWidth } from "./tokenText.ts";

const map: RoutingMap = {
  title: "Two layers",
  tokens: ["The", " cat", "\n", " 人民", "!"],
  layers: [
    { index: 0, kind: "dense", routedThrough: [true, true, true, true, true] },
    { index: 1, kind: "mod", routedThrough: [false, true, false, true, false] },
  ],
};

test("the picture, in full", () => {
  expect(renderRoutingMap(map, { color: false, width: 60 })).toBe(
    `Two layers

          tokens 0-4 of 5
  1 mod | ··· ████ · █████ ·   40.0 %
0 dense | ░░░ ░░░░ ░ ░░░░░ ░  100.0 %
          The ␣cat ↵ ␣人民 !

██ routed through   ·· routed around   ░░ dense: every token
layer 0 at the bottom; %: share of all tokens that a layer computes`,
  );
});

test("of experts, in full", () => {
  expect(renderRoutingMap(expertMap(), { color: false, width: 60 })).toBe(
    `          tokens 0-3 of 4
  1 moe | 3 - 1 0   75.0 %
0 dense | ░ ░ ░ ░  100.0 %
          a b c d

░░ dense: every token   0 1+2 by these experts, -- by none: no-op or dropped
layer 0 at the bottom; %: share of all tokens that a layer computes`,
  );
});

test("the picture in ASCII, wrapped in panels with the shares of all tokens in each", () => {
  const drawn = renderRoutingMap(map, { color: false, width: 32, unicode: false });
  expect(drawn).toMatch(/^[\x20-\x7e\n]+$/);
  expect(drawn.split("\n").slice(2, -3)).toEqual([
    "          tokens 0-2 of 5",
    "  1 mod | ... #### ..   40.0 %",
    "0 dense | === ==== ==  100.0 %",
    "          The _cat \\n",
    "",
    "          tokens 3-4 of 5",
    "  1 mod | ### .         40.0 %",
    "0 dense | === =        100.0 %",
    "          _?? !",
  ]);
});

test("colour adds tones and nothing else", () => {
  const colored = renderRoutingMap(map, { color: true, width: 60 });
  expect(stripVTControlCharacters(colored)).toBe(renderRoutingMap(map, { color: false, width: 60 }));
  expect(colored).toContain("\x1b[36m████\x1b[39m");
  expect(colored).toContain("\x1b[90m░░░░\x1b[39m");
  expect(colored).toContain("\x1b[2m···\x1b[22m");
});

test.each([32, 60, 80, 200])("no picture row is wider than %i cells, and every token is there once", (width) => {
  const big = exampleMap(12, 200);
  const lines = renderRoutingMap(big, { color: false, width }).split("\n").slice(1, -2);
  for (const line of lines) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
  const row = lines
    .filter((line) => line.trimStart().startsWith("3 mod"))
    .map((line) => line.replace(/ +\d+\.\d %$/, ""));
  const cells = row.flatMap((line) => line.split("| ")[1]!.trim().split(/ +/));
  expect(cells.map((cell) => cell.startsWith("█"))).toEqual(big.layers[3]!.routedThrough);
});

test("a token can't send codes to the terminal, and neither can the title", () => {
  const evil = { ...map, title: "\x1b[2J", tokens: ["\x1b[2J", "\r", "\x07", "\u009b", "x"] };
  const drawn = renderRoutingMap(evil, { color: false, width: 80 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(drawn).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  expect(drawn).toContain("\\x1b[2J");
});

test("too narrow a terminal is refused with the width it takes", () => {
  expect(() => renderRoutingMap(map, { color: false, width: 26 })).toThrow("width must be at least 27 cells, got 26");
  expect(renderRoutingMap(map, { color: false, width: 27 })).toContain("tokens 4-4 of 5");
});
