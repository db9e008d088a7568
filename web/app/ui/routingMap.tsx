/** The map of a text: above each token, a cell for each layer, the first at the bottom, as the text is written. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { InspectedLayer } from "../../../src/ui/api.ts";
import type { Inspection } from "../engine.ts";
import { useLook } from "../theme.ts";
import { drawLine, largestValue, type MapColors } from "./routingMapDrawing.ts";
import { type Line, layOut, type MapMetrics } from "./routingMapLayout.ts";
import { isShortcut } from "./shortcut.ts";
import { visible } from "./tokenText.ts";
import { useWidth } from "./useWidth.ts";

/** What a cell's shade tells. */
export const CELL_VALUES = ["choice", "router weight", "predictor logit"] as const;
export type CellValue = (typeof CELL_VALUES)[number];

export interface Spot {
  readonly token: number;
  /** Index of the layer; null for the token itself. */
  readonly layer: number | null;
}

interface RoutingMapProps {
  readonly inspection: Inspection;
  readonly value: CellValue;
  readonly spot: Spot | null;
  readonly onSpot: (spot: Spot | null) => void;
}

const FONT = '13px "Inter Variable", system-ui, sans-serif';
const COLORS: Readonly<Record<"light" | "dark", MapColors>> = {
  light: {
    ink: "#1a1f26",
    quiet: "#5b6470",
    through: "#0b66a3",
    around: "#e4e8ed",
    dense: "#b9c1cb",
    low: "#d55e00",
    focus: "#d55e00",
  },
  dark: {
    ink: "#e8ecf2",
    quiet: "#9aa5b4",
    through: "#4aa3e0",
    around: "#252c36",
    dense: "#566273",
    low: "#ff8a4c",
    focus: "#ffb27a",
  },
};

export function metricsOf(layers: readonly InspectedLayer[]): MapMetrics {
  // Deep models get flatter cells: the map stays a few lines high.
  const cell = layers.length > 16 ? 7 : layers.length > 8 ? 10 : 13;
  return { cell, gap: 2, text: 24, margin: 30, padding: 8, least: 14 };
}

/** Arrow keys move from token to token and from layer to layer; Escape leaves. */
export function RoutingMap({ inspection, value, spot, onSpot }: RoutingMapProps) {
  const [host, width] = useWidth<HTMLDivElement>(0);
  const [areLettersThere, setLettersThere] = useState(document.fonts.status === "loaded");
  // Letters that come late have other widths.
  useEffect(() => void document.fonts.ready.then(() => setLettersThere(true)), []);
  const metrics = useMemo(() => metricsOf(inspection.layers), [inspection]);
  const lines = useMemo(
    () => (width === 0 ? [] : layOut(inspection.tokens.map(visible), measure, width, metrics)),
    [inspection, width, areLettersThere],
  );
  const largest = useMemo(() => inspection.layers.map((layer) => largestValue(layer, value)), [inspection, value]);
  const move = (event: KeyboardEvent) => {
    if (isShortcut(event)) return;
    const next = movedSpot(event.key, spot, inspection);
    if (next === undefined) return;
    event.preventDefault();
    onSpot(next);
  };
  return (
    <div
      class="routing-map"
      ref={host}
      tabIndex={0}
      role="application"
      aria-label="Routing map: layers above tokens. Arrow keys move; what is under the cursor is told below."
      onKeyDown={move}
      onFocus={() => spot === null && onSpot({ token: 0, layer: null })}
    >
      {lines.map((line) => (
        <MapLine key={line.first} {...{ line, inspection, metrics, value, largest, spot, onSpot, width }} />
      ))}
    </div>
  );
}

let context: CanvasRenderingContext2D | undefined;

function measure(text: string): number {
  context ??= document.createElement("canvas").getContext("2d")!;
  context.font = FONT;
  return context.measureText(text).width;
}

export function movedSpot(key: string, spot: Spot | null, { tokens, layers }: Inspection): Spot | null | undefined {
  const { token, layer } = spot ?? { token: 0, layer: null };
  const row = layer === null ? -1 : layers.findIndex(({ index }) => index === layer);
  const toToken = (place: number) => ({ token: Math.max(0, Math.min(tokens.length - 1, place)), layer });
  const toRow = (place: number) => ({ token, layer: layers[Math.min(layers.length - 1, place)]?.index ?? null });
  switch (key) {
    case "ArrowRight":
      return toToken(token + 1);
    case "ArrowLeft":
      return toToken(token - 1);
    case "Home":
      return toToken(0);
    case "End":
      return toToken(tokens.length - 1);
    case "ArrowUp":
      return toRow(row + 1);
    case "ArrowDown":
      return toRow(row - 1);
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

interface MapLineProps extends RoutingMapProps {
  readonly line: Line;
  readonly metrics: MapMetrics;
  /** Where each layer's scale ends. */
  readonly largest: readonly number[];
  readonly width: number;
}

function MapLine({ line, inspection, metrics, value, largest, spot, onSpot, width }: MapLineProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const look = useLook();
  const { layers } = inspection;
  const height = layers.length * (metrics.cell + metrics.gap) + metrics.text;
  const isHere = spot !== null && spot.token >= line.first && spot.token < line.first + line.places.length;
  const draw = () =>
    drawLine(canvas.current!, {
      line,
      inspection,
      metrics,
      value,
      largest,
      spot: isHere ? spot : null,
      colors: COLORS[look],
      font: FONT,
      width,
      height,
    });
  useLayoutEffect(draw, [line, inspection, value, look, width, isHere ? spot : null]);
  const point = (event: PointerEvent) => {
    const place = line.places.findIndex(({ left, width }) => event.offsetX >= left && event.offsetX < left + width);
    if (place === -1) return;
    const row = layers.length - 1 - Math.floor(event.offsetY / (metrics.cell + metrics.gap));
    onSpot({ token: line.first + place, layer: layers[row]?.index ?? null });
  };
  return (
    <canvas
      ref={canvas}
      class="map-line"
      aria-hidden="true"
      style={{ width: `${width}px`, height: `${height}px` }}
      onPointerMove={point}
      onPointerDown={point}
    />
  );
}
