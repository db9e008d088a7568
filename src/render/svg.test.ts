import { expect, test } from "vitest";
import { renderRoutingMapSvg } from "./svg.ts";
import { exampleMap, expertMap } from "./testing/maps.ts";

const THROUGH = "#2558c9";
const DENSE = "#c6d2ec";
const AROUND = "#eceef3";
const HOLLOW = "#ffffff";

test("one cell per decision, in the colour of the decision", () => {
  const map = exampleMap(4, 40);
  const cells = cellColors(renderRoutingMapSvg(map));
  const routing = map.layers.filter(({ kind }) => kind === "mod");
  const through = routing.flatMap(({ routedThrough }) => routedThrough).filter(Boolean).length;
  // One more of each in the legend.
  expect(cells.get(THROUGH)).toBe(through + 1);
  expect(cells.get(AROUND)).toBe(2 * 40 - through + 1);
  expect(cells.get(DENSE)).toBe(2 * 40 + 1);
});

test("experts have their numbers, what none computed is hollow, and the legend has what there is", () => {
  const svg = renderRoutingMapSvg(expertMap());
  const cells = cellColors(svg);
  expect([cells.get(THROUGH), cells.get(HOLLOW), cells.get(DENSE), cells.get(AROUND)]).toEqual([4, 2, 5, undefined]);
  expect([...svg.matchAll(/font-size="[\d.]+">([\d+]+)<\/text>/g)].map(([, text]) => text)).toEqual(["3", "1+4", "0"]);
  expect(svg).toContain("by none: no-op or dropped");
  expect(svg).not.toContain("routed");
});

test("the highest layer is the top row", () => {
  const svg = renderRoutingMapSvg(exampleMap(12, 10));
  const labels = [...svg.matchAll(/y="([\d.]+)"[^>]*>(?:mod|dense) <tspan[^>]*>(\d+)</g)];
  const byHeight = labels.sort((a, b) => Number(a[1]) - Number(b[1])).map((label) => Number(label[2]));
  expect(byHeight).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  expect(svg).toContain("layer 0 at the bottom");
});

test("every token has its label, turned, in order", () => {
  const map = { ...exampleMap(2, 3), tokens: [" a", "b\n", "<&>"] };
  const labels = [...renderRoutingMapSvg(map).matchAll(/rotate\(-90\)">([^<]*)</g)].map(([, text]) => text);
  expect(labels).toEqual(["␣a", "b↵", "&#60;&#38;&#62;"]);
});

test("text can't break out of the picture", () => {
  const [layer] = exampleMap(1, 1).layers;
  const evil = "</text><script>alert('\"&')</script>\x00\ud800";
  const svg = renderRoutingMapSvg({ title: evil, tokens: [evil], layers: [{ ...layer!, kind: evil }] });
  expect(svg).not.toContain("<script");
  expect(svg).not.toMatch(/[^\n\P{Cc}]|\p{Cs}/u);
  expect(svg.replaceAll(/&#\d+;/g, "")).not.toContain("&");
});

test.each([600, 1200])("a long text wraps in panels of about equal length within %i pixels", (width) => {
  const svg = renderRoutingMapSvg(exampleMap(12, 200), { width });
  expect(Number(/width="(\d+)"/.exec(svg)![1])).toBeLessThanOrEqual(width);
  const panels = svg.split("<g transform=").slice(1);
  const sizes = panels.map((panel) => panel.split("rotate(-90)").length - 1);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(200);
  expect(Math.max(...sizes) - sizes.at(-1)!).toBeLessThan(panels.length);
  const height = Number(/height="(\d+)"/.exec(svg)![1]);
  const bottom = Math.max(...[...svg.matchAll(/translate\([\d.]+ ([\d.]+)\)">/g)].map(([, y]) => Number(y)));
  expect(bottom + 12 * 18).toBeLessThan(height);
});

test("each row ends in its share of all tokens, in every panel", () => {
  const svg = renderRoutingMapSvg(exampleMap(12, 200));
  expect(svg.match(/>12\.5 %</g)).toHaveLength(6 * 4);
  expect(svg.match(/>100\.0 %</g)).toHaveLength(6 * 4);
});

test("too narrow a picture is refused with the width it takes", () => {
  const message = /width must be at least (\d+) pixels, got 200/;
  const render = (width: number): string => renderRoutingMapSvg(exampleMap(2, 30), { width });
  expect(() => render(200)).toThrow(message);
  const least = Number(message.exec(String(attempt(() => render(200))))![1]);
  expect(render(least)).toContain("</svg>");
});

function cellColors(svg: string): Map<string, number> {
  const colors = new Map<string, number>();
  for (const [, fill, cells] of svg.matchAll(/<g fill="([^"]+)"(?: stroke="[^"]+")?>((?:<rect[^>]*>)+)<\/g>/g)) {
    colors.set(fill!, (colors.get(fill!) ?? 0) + cells!.split("<rect").length - 1);
  }
  return colors;
}

function attempt(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}
