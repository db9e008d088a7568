import { PNG } from "pngjs";
import { expect, test } from "vitest";
import { renderRoutingMapPng, svgToPng } from "./png.ts";
import { renderRoutingMapSvg } from "./svg.ts";
import { exampleMap } from "./testing/maps.ts";

test("the PNG is the SVG, twice as large, on white paper", async () => {
  const map = exampleMap(4, 30);
  const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(renderRoutingMapSvg(map))!;
  const png = PNG.sync.read(Buffer.from(await renderRoutingMapPng(map)));
  expect([png.width, png.height]).toEqual([2 * Number(width), 2 * Number(height)]);
  expect(pixel(png, 2, 2)).toEqual([255, 255, 255, 255]);
});

test("cells have the colours of the decisions", async () => {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect x="10" width="10" height="10" fill="#2558c9"/></svg>`;
  const png = PNG.sync.read(Buffer.from(await svgToPng(svg, 1)));
  expect(pixel(png, 5, 5)[3]).toBe(0);
  expect(pixel(png, 15, 5)).toEqual([0x25, 0x58, 0xc9, 255]);
});

test("text shows, with all the signs that token labels use, from the fonts that come along", async () => {
  for (const sign of ["A", "ü", "␣", "↵", "⇥", "…", "∅"]) {
    for (const family of ["'DejaVu Sans Mono', monospace", "'DejaVu Sans', sans-serif"]) {
      const drawn = await drawText(sign, family);
      expect(
        drawn.some((value) => value > 100),
        `${sign} in ${family}`,
      ).toBe(true);
      // A sign that the font lacks would be drawn as the box of one that no font has.
      expect(Buffer.compare(drawn, await drawText("\u{10fffd}", family)), `${sign} in ${family}`).not.toBe(0);
    }
  }
});

test("a scale without sense is refused", async () => {
  await expect(svgToPng("<svg/>", 0)).rejects.toThrow("scale must be above 0 and at most 16, got 0");
  await expect(svgToPng("<svg/>", Number.NaN)).rejects.toThrow("got NaN");
});

/** Opacity of each pixel of a text. */
async function drawText(text: string, family: string): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><text x="5" y="30" font-size="24" font-family="${family}">${text}</text></svg>`;
  const { data } = PNG.sync.read(Buffer.from(await svgToPng(svg, 1)));
  return data.filter((_, i) => i % 4 === 3) as Buffer;
}

function pixel(png: PNG, x: number, y: number): number[] {
  const at = (y * png.width + x) * 4;
  return [...png.data.subarray(at, at + 4)];
}
