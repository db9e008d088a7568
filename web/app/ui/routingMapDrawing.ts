import type { InspectedLayer } from "../../../src/ui/api.ts";
import type { Inspection } from "../engine.ts";
import { drawExperts } from "./expertCells.ts";
import type { CellValue, Spot } from "./routingMap.tsx";
import type { Line, MapMetrics } from "./routingMapLayout.ts";

export interface MapColors {
  readonly ink: string;
  readonly quiet: string;
  readonly through: string;
  readonly around: string;
  readonly dense: string;
  /** Values below 0. */
  readonly low: string;
  readonly focus: string;
}

interface Drawing {
  readonly line: Line;
  readonly inspection: Inspection;
  readonly metrics: MapMetrics;
  readonly value: CellValue;
  /** Where each layer's scale ends. */
  readonly largest: readonly number[];
  readonly spot: Spot | null;
  readonly colors: MapColors;
  readonly font: string;
  readonly width: number;
  readonly height: number;
}

/** Draws one line of a map. */
export function drawLine(canvas: HTMLCanvasElement, drawing: Drawing): void {
  const { width, height, inspection, line, metrics, colors, font } = drawing;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d")!;
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, height);
  for (const [row, layer] of inspection.layers.entries()) drawLayer(context, drawing, layer, row);
  context.font = font;
  context.textBaseline = "middle";
  context.textAlign = "center";
  const middle = height - metrics.text / 2;
  for (const [i, place] of line.places.entries()) {
    const isSpot = drawing.spot?.token === line.first + i;
    context.fillStyle = isSpot ? colors.focus : colors.ink;
    const clipped = place.width - 2;
    context.fillText(place.text, place.left + place.width / 2, middle, clipped);
  }
}

function topOf({ inspection, metrics }: Drawing, row: number): number {
  return (inspection.layers.length - 1 - row) * (metrics.cell + metrics.gap);
}

function drawLayer(context: CanvasRenderingContext2D, drawing: Drawing, layer: InspectedLayer, row: number): void {
  const { line, metrics, colors, spot } = drawing;
  const top = topOf(drawing, row);
  drawNumber(context, drawing, layer, top);
  const largest = drawing.largest[row]!;
  for (const [i, { left, width }] of line.places.entries()) {
    const token = line.first + i;
    const [x, w] = [left + 1, width - 2];
    const cell = cellOf(layer, token, drawing.value, largest, colors);
    context.globalAlpha = cell.alpha;
    context.fillStyle = cell.color;
    context.fillRect(x, top, w, metrics.cell);
    context.globalAlpha = 1;
    // Around is a hollow cell, so that it differs from through without its colour too.
    if (cell.isHollow) strokeCell(context, x, top, w, metrics.cell, colors.dense, 1);
    if (cell.experts !== null) drawExperts(context, { x, y: top, w, h: metrics.cell }, cell.experts, colors.quiet);
    if (cell.mark !== null) dot(context, x + w / 2, top + metrics.cell / 2, cell.mark);
    if (spot?.token === token && (spot.layer === layer.index || spot.layer === null)) {
      strokeCell(context, x, top, w, metrics.cell, colors.focus, 2);
    }
  }
}

function drawNumber(
  context: CanvasRenderingContext2D,
  { metrics, colors }: Drawing,
  { index, kind }: InspectedLayer,
  top: number,
) {
  context.font = `${Math.min(11, metrics.cell)}px "Inter Variable", system-ui, sans-serif`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillStyle = kind === "dense" ? colors.quiet : colors.ink;
  context.fillText(String(index), metrics.margin - 8, top + metrics.cell / 2 + 0.5);
}

interface Cell {
  readonly color: string;
  readonly alpha: number;
  readonly isHollow: boolean;
  /** Colour of a dot: the token goes through, where the shade tells something else. */
  readonly mark: string | null;
  /** The experts that the cell shows; null where it shows something else. */
  readonly experts: readonly number[] | null;
}

function cellOf(layer: InspectedLayer, token: number, value: CellValue, largest: number, colors: MapColors): Cell {
  if (layer.kind === "dense") return { color: colors.dense, alpha: 0.45, isHollow: false, mark: null, experts: null };
  const isThrough = layer.routedThrough[token]!;
  const number = valuesOf(layer, value)?.[token];
  if (number === undefined) {
    const experts = isThrough ? (layer.experts?.[token] ?? null) : null;
    const isFilled = isThrough && experts === null;
    return {
      color: isFilled ? colors.through : colors.around,
      alpha: isFilled ? 1 : 0.35,
      isHollow: !isFilled,
      ...{ mark: null, experts },
    };
  }
  const size = Math.min(1, Math.abs(number) / (largest || 1));
  return {
    color: number >= 0 ? colors.through : colors.low,
    alpha: 0.08 + 0.87 * size,
    isHollow: !isThrough,
    mark: isThrough ? (size > 0.55 ? "#ffffff" : colors.ink) : null,
    experts: null,
  };
}

/** The numbers that shade a layer's cells; undefined where its choice does, or where it has none. */
function valuesOf(layer: InspectedLayer, value: CellValue): readonly number[] | undefined {
  return value === "choice" ? undefined : value === "router weight" ? layer.routerWeights : layer.predictorLogits;
}

/** Some values far out would leave all others pale: the scale ends at the 98th percentile. */
export function largestValue(layer: InspectedLayer, value: CellValue): number {
  const sizes = (valuesOf(layer, value) ?? []).map(Math.abs).sort((a, b) => a - b);
  return sizes[Math.floor(0.98 * (sizes.length - 1))] ?? 1;
}

function strokeCell(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  w: number,
  h: number,
  color: string,
  width: number,
): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
}

function dot(context: CanvasRenderingContext2D, x: number, y: number, color: string): void {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, 2, 0, 2 * Math.PI);
  context.fill();
}
