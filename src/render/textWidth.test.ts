import { PNG } from "pngjs";
import { expect, test } from "vitest";
import { svgToPng } from "./png.ts";
import { textWidth } from "./textWidth.ts";

test.each([
  "vanilla 4x96",
  "Loss against parameters at equal training FLOPs",
  "Points: runs, a seed each. ★ their minimum, bars: 95 % interval over seeds; ☆ the best size",
  "random-one mod-half WWW illicit",
])("%j is drawn at most as wide as estimated, and not much less", async (text) => {
  for (const isBold of [false, true]) {
    const [drawn, estimated] = [await drawnWidth(text, isBold), textWidth(text, 20, isBold)];
    expect(drawn / estimated).toBeLessThanOrEqual(1);
    expect(drawn / estimated).toBeGreaterThan(0.85);
  }
});

/** Pixels from the left edge to the last one that is not empty, the text starting at 0. */
async function drawnWidth(text: string, isBold: boolean): Promise<number> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="40"><text x="0" y="30" font-size="20" font-family="DejaVu Sans"${isBold ? ' font-weight="bold"' : ""}>${text}</text></svg>`;
  const { data, width } = PNG.sync.read(Buffer.from(await svgToPng(svg, 1)));
  const columns = Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3]! > 0 ? i % width : 0));
  return columns.reduce((a, b) => Math.max(a, b)) + 1;
}
