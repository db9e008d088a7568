/** A routing map as text: layers as rows, tokens as columns as wide as their text, in panels that fit the terminal. */
import pc from "picocolors";
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
import { displayWidth, escapeUnprintable, visibleToken } from "./tokenText.ts";

export interface TerminalStyle {
  readonly color: boolean;
  /** Cells of a line. */
  readonly width: number;
  /** False keeps to ASCII. Default true. */
  readonly unicode?: boolean;
}

interface Column {
  readonly index: number;
  readonly text: string;
  readonly width: number;
}

interface Ink {
  readonly through: string;
  readonly dense: string;
  readonly around: string;
  /** Of a layer of experts, where none computed the token. */
  readonly unserved: string;
  readonly paint: ReturnType<typeof pc.createColors>;
}

const MAX_TOKEN_WIDTH = 14;
/** Below this a panel would hold hardly a word. */
const MIN_PANEL_WIDTH = 8;
const SHARE_WIDTH = 8;

/**
 * Draws which tokens went through which layers. The highest layer is the top row and layer 0 the bottom one; the tokens'
 * texts stand under the columns and read as the text does; each row ends in the share of all tokens it took.
 *
 * @throws where the width leaves no room, or the map's parts don't fit together.
 */
export function renderRoutingMap(map: RoutingMap, { color, width, unicode = true }: TerminalStyle): string {
  checkRoutingMap(map, "renderRoutingMap");
  const ink = inkOf(color, unicode);
  const rows = rowsFromTop(map);
  const labels = rows.map(({ index, kind }) => `${index} ${escapeUnprintable(kind)}`);
  const labelWidth = Math.max(...labels.map(displayWidth), "layer".length);
  const room = width - labelWidth - SHARE_WIDTH - 4;
  if (room < MIN_PANEL_WIDTH) {
    const least = width - room + MIN_PANEL_WIDTH;
    throw new Error(`renderRoutingMap: width must be at least ${least} cells, got ${width}; widen the terminal`);
  }
  const panels = wrap(columnsOf(map, unicode, Math.min(MAX_TOKEN_WIDTH, room)), room);
  const lines = map.title ? [ink.paint.bold(escapeUnprintable(map.title)), ""] : [];
  const panelWidth = Math.max(...panels.map(widthOf));
  const indent = " ".repeat(labelWidth + 3);
  for (const panel of panels) {
    lines.push(indent + ink.paint.dim(rangeText(panel, map.tokens.length)));
    const padding = " ".repeat(panelWidth - widthOf(panel));
    rows.forEach((layer, i) => void lines.push(rowText(layer, labels[i]!.padStart(labelWidth), panel, padding, ink)));
    lines.push(indent + panel.map(({ text }) => text).join(" "), "");
  }
  return [...lines, ...legend(map, ink)].join("\n");
}

function inkOf(color: boolean, unicode: boolean): Ink {
  const paint = pc.createColors(color);
  return unicode
    ? { through: "█", dense: "░", around: "·", unserved: "-", paint }
    : { through: "#", dense: "=", around: ".", unserved: "-", paint };
}

function columnsOf(map: RoutingMap, unicode: boolean, maxWidth: number): Column[] {
  return map.tokens.map((token, index) => {
    const text = visibleToken(token, { unicode, maxWidth });
    return { index, text, width: displayWidth(text) };
  });
}

/** As many columns to a panel as fit, with a cell between two of them. */
function wrap(columns: readonly Column[], room: number): Column[][] {
  const panels: Column[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const column of columns) {
    used += column.width + 1;
    if (used > room) {
      panels.push([]);
      used = column.width;
    }
    panels.at(-1)!.push(column);
  }
  return panels;
}

function widthOf(panel: readonly Column[]): number {
  return panel.reduce((sum, { width }) => sum + width + 1, -1);
}

function rowText(layer: RoutingMapLayer, label: string, panel: readonly Column[], padding: string, ink: Ink): string {
  const { paint } = ink;
  const cells = panel.map(({ index, width }) => {
    if (!layer.routedThrough[index]) return paint.dim(ink.around.repeat(width));
    const experts = expertsText(layer, index);
    if (experts !== undefined) {
      const numbers = experts.length > width ? experts.slice(0, width) : experts.padEnd(width, ink.through);
      return experts === "" ? paint.dim(ink.unserved.repeat(width)) : paint.cyan(numbers);
    }
    return isDense(layer) ? paint.gray(ink.dense.repeat(width)) : paint.cyan(ink.through.repeat(width));
  });
  const share = shareText(layer).padStart(SHARE_WIDTH);
  const tone = isDense(layer) ? paint.dim : (text: string) => text;
  return `${tone(label)} | ${cells.join(" ")}${padding} ${tone(share)}`;
}

function rangeText(panel: readonly Column[], total: number): string {
  return `tokens ${panel[0]!.index}-${panel.at(-1)!.index} of ${total}`;
}

function legend(map: RoutingMap, { through, dense, around, unserved, paint }: Ink): string[] {
  const block = (mark: string): string => mark.repeat(2);
  const { routed, dense: hasDense, experts } = cellKinds(map);
  const parts = [
    ...(routed ? [`${paint.cyan(block(through))} routed through`, `${paint.dim(block(around))} routed around`] : []),
    ...(hasDense ? [`${paint.gray(block(dense))} dense: every token`] : []),
    ...(experts
      ? [
          `${paint.cyan("0")} ${paint.cyan("1+2")} by these experts, ${paint.dim(block(unserved))} by none: no-op or dropped`,
        ]
      : []),
  ];
  return [parts.join("   "), paint.dim(`${ROW_ORDER}; %: share of all tokens that a layer computes`)];
}
