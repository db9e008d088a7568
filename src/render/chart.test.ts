import { expect, test } from "vitest";
import { type Chart, renderChart } from "./chart.ts";
import { svgToPng } from "./png.ts";

const chart: Chart = {
  title: "Loss against parameters",
  notes: ["A note that says how to read it."],
  panels: [3e12, 1e13].map((budget) => ({
    title: `${budget} FLOPs`,
    x: { label: "parameters", kind: "log" },
    y: { label: "loss, nats per token", kind: "linear" },
    series: [
      {
        name: "vanilla",
        points: [1e5, 2e5, 4e5].map((x) => ({ x, y: 2 + x / 1e6, low: 1.9, high: 2.5 })),
        curve: [1e5, 2e5, 4e5].map((x) => ({ x, y: 2 + x / 1e6 })),
        marks: [{ x: 2e5, y: 2.1, low: 2, high: 2.2, xLow: 1.5e5, xHigh: 2.5e5 }],
      },
      { name: "mod", points: [{ x: 3e5, y: 1.95 }], marks: [{ x: 3e5, y: 1.95, isHollow: true }] },
    ],
  })),
};

const count = (svg: string, pattern: RegExp): number => [...svg.matchAll(pattern)].length;

test("every point, curve, error bar and mark is drawn, in each panel", () => {
  const svg = renderChart(chart);
  expect(count(svg, /<g class="chart-points"[^>]*>(<path[^>]*>){3}<\/g>/g)).toBe(2);
  expect(count(svg, /<g class="chart-points"[^>]*>(<path[^>]*>){1}<\/g>/g)).toBe(2);
  expect(count(svg, /class="chart-curve"/g)).toBe(2);
  expect(count(svg, /class="chart-bar"/g)).toBe(2 * (3 + 1));
  expect(count(svg, /class="chart-star"/g)).toBe(2);
  expect(count(svg, /class="chart-star-hollow"/g)).toBe(2);
});

test("a point lies where the ticks say", () => {
  const svg = renderChart({ ...chart, panels: [chart.panels[0]!] });
  const ticks = [...svg.matchAll(/<text x="([\d.]+)" y="257">([\d.]+)k</g)];
  const [at100, at200] = ["100", "200"].map((text) => Number(ticks.find((tick) => tick[2] === text)![1]));
  const points = [...svg.matchAll(/<path transform="translate\(([\d.]+) [\d.]+\)" d="M-4/g)].map((match) =>
    Number(match[1]),
  );
  // The legend's comes first.
  expect(points.slice(1)).toEqual([at100, at200, expect.closeTo(2 * at200! - at100!, 1)]);
});

test("the legend names each series once, and all text is there", () => {
  const svg = renderChart(chart);
  for (const name of ["vanilla", "mod"]) expect(count(svg, new RegExp(`>${name}</text>`, "g"))).toBe(1);
  for (const text of ["Loss against parameters", "A note that says how to read it.", "3000000000000 FLOPs"])
    expect(svg).toContain(`>${text}</text>`);
  expect(count(svg, />loss, nats per token<\/text>/g)).toBe(2);
});

test("what is too long for a line is wrapped, and the picture grows", () => {
  const long = renderChart({ ...chart, notes: [Array(80).fill("words").join(" ")] });
  expect(count(long, /(>|\s)words(?=[\s<])/g)).toBe(80);
  expect(heightOf(long)).toBeGreaterThan(heightOf(renderChart(chart)));
  const names = Array.from({ length: 30 }, (_, i) => ({ name: `family number ${i}`, curve: [{ x: 1, y: i }] }));
  const many = renderChart({ ...chart, panels: [{ ...chart.panels[0]!, series: names }] });
  const width = Number(/width="(\d+)"/.exec(many)![1]);
  const items = [
    ...many.matchAll(/translate\(([\d.]+) [\d.]+\)"><g class="series-\d+"[^>]*>.*?>family number (\d+)</g),
  ];
  expect(items).toHaveLength(30);
  for (const [, x] of items) expect(Number(x) + 34 + 16 * 11.5 * 0.6).toBeLessThan(width);
});

test("text can't break out of the picture", () => {
  const evil = "</text><script>alert('\"&')</script>\x00\ud800";
  const [panel] = chart.panels;
  const axis = { label: evil, kind: "linear" } as const;
  const series = [{ name: evil, points: [{ x: 1, y: 1 }] }];
  const svg = renderChart({
    title: evil,
    notes: [evil],
    panels: [{ ...panel!, title: evil, x: axis, y: axis, series }],
  });
  expect(svg).not.toContain("<script");
  expect(svg).not.toMatch(/[^\n\P{Cc}]|\p{Cs}/u);
  expect(svg.replaceAll(/&#\d+;/g, "")).not.toContain("&");
});

test("the classes take effect where the picture stands alone", async () => {
  const png = await svgToPng(renderChart(chart), 1);
  const { PNG } = await import("pngjs");
  const { data } = PNG.sync.read(Buffer.from(png));
  expect([...data.subarray(0, 4)]).toEqual([255, 255, 255, 255]);
  const pixels = new Set(Array.from({ length: data.length / 4 }, (_, i) => data.toString("hex", 4 * i, 4 * i + 3)));
  // Ink, and the two series' colours in their legend.
  for (const color of ["1c2433", "0072b2", "d55e00"]) expect(pixels, color).toContain(color);
});

test("what can't be drawn is refused", () => {
  const [panel] = chart.panels;
  expect(() => renderChart({ ...chart, panels: [] })).toThrow("must have a panel, got none");
  expect(() => renderChart({ ...chart, panels: [{ ...panel!, series: [] }] })).toThrow(
    "must have numbers above 0, got none",
  );
  const zero = [{ name: "a", points: [{ x: 0, y: 1 }] }];
  expect(() => renderChart({ ...chart, panels: [{ ...panel!, series: zero }] })).toThrow("numbers above 0, got 0");
});

const heightOf = (svg: string): number => Number(/height="(\d+)"/.exec(svg)![1]);
