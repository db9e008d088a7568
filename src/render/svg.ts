/** A routing map as a self-contained SVG: layers as rows, tokens as columns, in panels that fit the width. */
import {
  cellKinds,
  checkRoutingMap,
  expertsText,
  isDense,
  ROW_ORDER,
  type RoutingMap,
  type RoutingMapLayer,
  rowsFromTop,
  shareText,
} from "./routingMap.ts";
import { displayWidth, visibleToken } from "./tokenText.ts";
import { escapeXml } from "./xml.ts";

export interface SvgStyle {
  /** Largest width in pixels; the picture is narrower where its panels are. Default 1200. */
  readonly width?: number;
}

/** Where things of one picture lie, in pixels. */
interface Layout {
  readonly width: number;
  readonly height: number;
  /** Columns of a panel. */
  readonly columns: number;
  readonly panels: number;
  readonly panelTop: number;
  readonly panelHeight: number;
  readonly left: number;
  readonly labelHeight: number;
}

const SANS = "'DejaVu Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
const MONO = "'DejaVu Sans Mono', Menlo, Consolas, monospace";
/** Attributes of cells. A token that no expert computes leaves its cell hollow. */
const LOOK = {
  through: 'fill="#2558c9"',
  dense: 'fill="#c6d2ec"',
  around: 'fill="#eceef3"',
  unserved: 'fill="#ffffff" stroke="#9fb2dc"',
};
const COLOR = {
  ink: "#1c2433",
  quiet: "#69748a",
  faint: "#9aa3b5",
  paper: "#ffffff",
};
const NOTE = `${ROW_ORDER}; %: share of all tokens that a layer computes`;
const MARGIN = 28;
/** Title, legend, note and the space below them. */
const HEAD_HEIGHT = 84;
const COLUMN = 16;
const ROW = 18;
const CELL = { width: 14, height: 16, radius: 2.5 };
const SHARE_WIDTH = 64;
const TOKEN_SIZE = 11.5;
const MAX_TOKEN_WIDTH = 14;
/** Of DejaVu's letters, as a fraction of the font size: exact for the monospaced one, an upper estimate for the other. */
const LETTER = { mono: 0.602, sans: 0.66 };
const TICK_EVERY = 10;

/**
 * Draws which tokens went through which layers, the highest layer in the top row and layer 0 in the bottom one, the
 * tokens' texts upright under the columns, and each layer's share of all tokens at the row's end.
 *
 * @throws where the width leaves no room, or the map's parts don't fit together.
 */
export function renderRoutingMapSvg(map: RoutingMap, { width = 1200 }: SvgStyle = {}): string {
  checkRoutingMap(map, "renderRoutingMapSvg");
  const texts = map.tokens.map((token) => visibleToken(token, { unicode: true, maxWidth: MAX_TOKEN_WIDTH }));
  const layout = layOut(map, texts, width);
  const title = escapeXml(map.title ?? "Routing map");
  const panels = Array.from({ length: layout.panels }, (_, i) => panelSvg(map, texts, layout, i));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${layout.width}" height="${layout.height}" viewBox="0 0 ${layout.width} ${layout.height}" role="img" font-family="${SANS}">`,
    `<title>${title}</title>`,
    `<rect width="100%" height="100%" fill="${COLOR.paper}"/>`,
    `<text x="${MARGIN}" y="${MARGIN + 14}" font-size="18" font-weight="bold" fill="${COLOR.ink}">${title}</text>`,
    legendSvg(map, MARGIN + 30),
    ...panels,
    "</svg>",
    "",
  ].join("\n");
}

function layOut(map: RoutingMap, texts: readonly string[], maxWidth: number): Layout {
  const kindLetters = Math.max(...map.layers.map(({ kind }) => displayWidth(kind)));
  const left = MARGIN + 30 + Math.ceil(kindLetters * 10.5 * LETTER.sans) + 10;
  const room = Math.floor((maxWidth - left - SHARE_WIDTH - MARGIN) / COLUMN);
  if (room < TICK_EVERY) {
    const least = left + SHARE_WIDTH + MARGIN + TICK_EVERY * COLUMN;
    throw new Error(`renderRoutingMapSvg: width must be at least ${least} pixels, got ${maxWidth}; widen the picture`);
  }
  const panels = Math.ceil(texts.length / room);
  // Panels of about equal length look better than full ones and a rest.
  const columns = Math.ceil(texts.length / panels);
  const longest = Math.max(...texts.map(displayWidth));
  const labelHeight = Math.ceil(longest * TOKEN_SIZE * LETTER.mono) + 10;
  const panelTop = MARGIN + HEAD_HEIGHT;
  const panelHeight = 18 + map.layers.length * ROW + labelHeight + 18;
  const headWidth = 2 * MARGIN + Math.max((map.title ?? "").length * 18 * LETTER.sans, legendWidth(map));
  const width = Math.ceil(Math.max(left + columns * COLUMN + SHARE_WIDTH + MARGIN, headWidth));
  const height = panelTop + panels * panelHeight - 18 + MARGIN - 8;
  return { width, height, columns, panels, panelTop, panelHeight, left, labelHeight };
}

function panelSvg(map: RoutingMap, texts: readonly string[], layout: Layout, panel: number): string {
  const first = panel * layout.columns;
  const count = Math.min(layout.columns, texts.length - first);
  const rowsTop = 18;
  const labelsTop = rowsTop + map.layers.length * ROW + 5;
  const rows = rowsFromTop(map).map((layer, i) => rowSvg(layer, first, count, rowsTop + i * ROW));
  const labels = texts
    .slice(first, first + count)
    .map((text, i) => tokenSvg(text, i * COLUMN + CELL.width / 2, labelsTop));
  return [
    `<g transform="translate(${layout.left} ${layout.panelTop + panel * layout.panelHeight})">`,
    ticksSvg(first, count, rowsTop - 6),
    ...rows,
    `<g font-family="${MONO}" font-size="${TOKEN_SIZE}" text-anchor="end" fill="${COLOR.ink}" xml:space="preserve">`,
    ...labels,
    "</g>",
    "</g>",
  ].join("\n");
}

function rowSvg(layer: RoutingMapLayer, first: number, count: number, y: number): string {
  const middle = y + CELL.height / 2 + 4;
  const cells = layer.routedThrough.slice(first, first + count);
  const quiet = isDense(layer) && layer.experts === undefined;
  const [weight, tone] = quiet ? ["normal", COLOR.quiet] : ["bold", COLOR.ink];
  const texts = cells.map((_, i) => expertsText(layer, first + i));
  const looks = cells.map((cell, i) => {
    if (!cell) return LOOK.around;
    if (texts[i] === "") return LOOK.unserved;
    return quiet ? LOOK.dense : LOOK.through;
  });
  return [
    `<g font-size="10.5">`,
    `<text x="${-10}" y="${middle}" text-anchor="end" fill="${COLOR.quiet}">${escapeXml(layer.kind)} <tspan font-size="12" font-weight="${weight}" fill="${tone}">${layer.index}</tspan></text>`,
    ...[...new Set(looks)].map((look) => cellsSvg(looks, look, y)),
    expertsSvg(texts, y),
    `<text x="${count * COLUMN + SHARE_WIDTH - 10}" y="${middle}" text-anchor="end" font-size="11" font-weight="${weight}" fill="${tone}">${shareText(layer)}</text>`,
    "</g>",
  ].join("\n");
}

/** The cells of a row that look alike. */
function cellsSvg(looks: readonly string[], look: string, y: number): string {
  const rects = looks.flatMap((own, i) => (own === look ? [cellSvg(i * COLUMN, y)] : []));
  return `<g ${look}>${rects.join("")}</g>`;
}

/** Numbers of experts in the cells of the tokens that they computed, small enough for two of them. */
function expertsSvg(texts: readonly (string | undefined)[], y: number): string {
  const numbers = texts.flatMap((text, i) => {
    if (!text) return [];
    const size = text.length > 2 ? 6.5 : 9.5;
    return [
      `<text x="${i * COLUMN + CELL.width / 2}" y="${y + CELL.height / 2 + size * 0.36}" font-size="${size}">${text}</text>`,
    ];
  });
  return numbers.length > 0 ? `<g fill="${COLOR.paper}" text-anchor="middle">${numbers.join("")}</g>` : "";
}

function cellSvg(x: number, y: number): string {
  return `<rect x="${x}" y="${y}" width="${CELL.width}" height="${CELL.height}" rx="${CELL.radius}"/>`;
}

/** Read with the head tilted left; ends at the column it belongs to. */
function tokenSvg(text: string, x: number, y: number): string {
  return `<text transform="translate(${x + TOKEN_SIZE * 0.34} ${y}) rotate(-90)">${escapeXml(text)}</text>`;
}

function ticksSvg(first: number, count: number, y: number): string {
  const ticks = Array.from({ length: count }, (_, i) => i).filter((i) => i === 0 || (first + i) % TICK_EVERY === 0);
  // The panel's first position has its number too, unless it would touch the next one.
  const shown = ticks.filter((i, at) => i > 0 || at === ticks.length - 1 || ticks[at + 1]! > 1);
  const texts = shown.map((i) => `<text x="${i * COLUMN + CELL.width / 2}" y="${y}">${first + i}</text>`);
  return `<g font-size="9.5" text-anchor="middle" fill="${COLOR.faint}">${texts.join("")}</g>`;
}

function legendItems(map: RoutingMap): { look: string; text: string; width: number }[] {
  const { routed, dense, experts } = cellKinds(map);
  const items = [
    ...(routed ? [{ look: LOOK.through, text: "routed through" }] : []),
    ...(routed ? [{ look: LOOK.around, text: "routed around" }] : []),
    ...(dense ? [{ look: LOOK.dense, text: "dense layer: every token" }] : []),
    ...(experts ? [{ look: LOOK.through, text: "by the experts of these numbers" }] : []),
    ...(experts ? [{ look: LOOK.unserved, text: "by none: no-op or dropped" }] : []),
  ];
  return items.map((item) => ({ ...item, width: 20 + item.text.length * 11 * 0.58 + 20 }));
}

function legendWidth(map: RoutingMap): number {
  const items = legendItems(map).reduce((sum, { width }) => sum + width, 0);
  return Math.max(items, NOTE.length * 11 * 0.58);
}

function legendSvg(map: RoutingMap, y: number): string {
  let x = MARGIN;
  const parts = legendItems(map).map(({ look, text, width }) => {
    const at = x;
    x += width;
    return `<g ${look}>${cellSvg(at, y)}</g><text x="${at + 20}" y="${y + 12}">${escapeXml(text)}</text>`;
  });
  const note = `<text x="${MARGIN}" y="${y + 33}" fill="${COLOR.faint}">${NOTE}</text>`;
  return `<g font-size="11" fill="${COLOR.quiet}">${parts.join("")}${note}</g>`;
}
