/** Charts as self-contained SVG: panels of points, curves and marks over linear or logarithmic axes, under one legend. */
import { type Look, lookOf } from "./chartLooks.ts";
import { type ChartPanel, type ChartSeries, PANEL, panelSvg } from "./chartPanel.ts";
import { textWidth } from "./textWidth.ts";
import { escapeXml } from "./xml.ts";

export interface Chart {
  readonly title: string;
  /** Small print under the legend, one paragraph each. */
  readonly notes?: readonly string[];
  readonly panels: readonly ChartPanel[];
  /** Panels of a row. Default 3. */
  readonly columns?: number;
}

const SANS = "'DejaVu Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
/** Classes, so that a page can show the picture in other colours: on dark paper for instance. */
const STYLE = [
  ".chart-paper{fill:#fff}",
  ".chart-ink{fill:#1c2433}",
  ".chart-quiet{fill:#58627a}",
  ".chart-grid{stroke:#e6e9f0}",
  ".chart-axis{stroke:#9aa3b5}",
  ".chart-guide{stroke:#58627a}",
  ".chart-star{fill:currentColor;stroke:#fff}",
  ".chart-star-hollow{fill:#fff;stroke:currentColor}",
].join("");
const MARGIN = 20;
const GAP = 22;
const TITLE_SIZE = 17;
const LEGEND_SIZE = 11.5;
const NOTE_SIZE = 10.5;
const SWATCH = 34;

/**
 * Draws a chart. Series of one name look the same in all panels and stand in the legend once, in the order they come.
 *
 * @throws where there is no panel, or an axis has nothing on it or what it cannot hold.
 */
export function renderChart({ title, notes = [], panels, columns = 3 }: Chart): string {
  if (panels.length === 0) throw new Error("renderChart: a chart must have a panel, got none; leave it out");
  const shown = panels.flatMap(({ series }) => series);
  const names = [...new Set(shown.map(({ name }) => name))];
  const looks = new Map(names.map((name, i) => [name, lookOf(i)]));
  const inRow = Math.min(columns, panels.length);
  const width = 2 * MARGIN + inRow * PANEL.width + (inRow - 1) * GAP;
  const head = headSvg(title, legendItems(shown, looks), notes, width - 2 * MARGIN);
  const rows = Math.ceil(panels.length / inRow);
  const height = 2 * MARGIN + head.height + rows * PANEL.height + (rows - 1) * GAP;
  const placedPanels = panels.map((panel, i) => {
    const x = MARGIN + (i % inRow) * (PANEL.width + GAP);
    const y = MARGIN + head.height + Math.floor(i / inRow) * (PANEL.height + GAP);
    return `<g transform="translate(${x} ${y})">\n${panelSvg(panel, (name) => looks.get(name)!)}\n</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="${SANS}">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="chart-paper" width="100%" height="100%"/>`,
    `<g transform="translate(${MARGIN} ${MARGIN})">`,
    head.svg,
    "</g>",
    ...placedPanels,
    "</svg>",
    "",
  ].join("\n");
}

interface LegendItem {
  readonly name: string;
  readonly look: Look;
  readonly hasPoints: boolean;
  readonly hasCurve: boolean;
}

function legendItems(shown: readonly ChartSeries[], looks: ReadonlyMap<string, Look>): LegendItem[] {
  return [...looks].map(([name, look]) => {
    const same = shown.filter((series) => series.name === name);
    const has = (part: "points" | "curve") => same.some((series) => (series[part]?.length ?? 0) > 0);
    return { name, look, hasPoints: has("points"), hasCurve: has("curve") };
  });
}

/** Title, legend and notes, each over as many lines as it takes. */
function headSvg(title: string, items: readonly LegendItem[], notes: readonly string[], width: number) {
  const parts: string[] = [];
  let y = 0;
  for (const line of wrap(title, (text) => textWidth(text, TITLE_SIZE, true) <= width)) {
    y += 20;
    parts.push(textSvg(line, y - 4, TITLE_SIZE, `class="chart-ink" font-weight="bold"`));
  }
  y += 6;
  let x = 0;
  for (const item of items) {
    const itemWidth = SWATCH + textWidth(item.name, LEGEND_SIZE) + 18;
    if (x > 0 && x + itemWidth > width) [x, y] = [0, y + 20];
    parts.push(legendItemSvg(item, x, y + 10));
    x += itemWidth;
  }
  y += 26;
  for (const line of notes.flatMap((note) => wrap(note, (text) => textWidth(text, NOTE_SIZE) <= width))) {
    y += 15;
    parts.push(textSvg(line, y - 6, NOTE_SIZE, `class="chart-quiet"`));
  }
  return { svg: parts.join("\n"), height: y + 6 };
}

function legendItemSvg({ name, look, hasPoints, hasCurve }: LegendItem, x: number, y: number): string {
  const dash = look.dash === null ? "" : ` stroke-dasharray="${look.dash}"`;
  const line = `<path d="M0 0H26" fill="none" stroke="currentColor" stroke-width="1.8"${dash}/>`;
  const marker = `<path transform="translate(13 0)" d="${look.marker}" fill="currentColor"/>`;
  return [
    `<g transform="translate(${x} ${y})">`,
    `<g class="series-${look.index}" color="${look.color}">${hasCurve ? line : ""}${hasPoints ? marker : ""}</g>`,
    `<text class="chart-ink" x="${SWATCH}" y="4" font-size="${LEGEND_SIZE}">${escapeXml(name)}</text>`,
    "</g>",
  ].join("");
}

const textSvg = (text: string, y: number, size: number, attributes: string): string =>
  `<text ${attributes} x="0" y="${y}" font-size="${size}">${escapeXml(text)}</text>`;

/** Lines that fit, broken between words; a word that does not fit stays whole. */
function wrap(text: string, fits: (line: string) => boolean): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length > 0 && fits(longer)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
