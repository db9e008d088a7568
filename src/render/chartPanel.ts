/** One pair of axes of a chart, with what is drawn between them. */
import { type AxisKind, type Scale, scaleOf } from "./axis.ts";
import { type Look, STAR } from "./chartLooks.ts";
import { escapeXml } from "./xml.ts";

export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  /** Ends of an error bar along y. */
  readonly low?: number;
  readonly high?: number;
}

/** A star: the place that a series is about, a fitted minimum for instance. */
export interface ChartMark extends ChartPoint {
  /** Ends of an error bar along x. */
  readonly xLow?: number;
  readonly xHigh?: number;
  /** Not filled: less sure than the others. */
  readonly isHollow?: boolean;
}

export interface ChartSeries {
  /** Stands in the legend; series of the same name in several panels look the same. */
  readonly name: string;
  readonly points?: readonly ChartPoint[];
  /** A line, through the points or not. */
  readonly curve?: readonly ChartPoint[];
  readonly marks?: readonly ChartMark[];
}

export interface ChartAxis {
  readonly label: string;
  readonly kind: AxisKind;
}

export interface ChartPanel {
  readonly title?: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  /** A dashed vertical line, at a value that others are compared with. */
  readonly guide?: number;
  readonly series: readonly ChartSeries[];
}

/** Between the axes, in pixels. */
const PLOT = { width: 300, height: 240 };
/** Around it, for ticks, labels and the title. */
const ROOM = { left: 68, right: 12, top: 28, bottom: 48 };
export const PANEL = {
  width: ROOM.left + PLOT.width + ROOM.right,
  height: ROOM.top + PLOT.height + ROOM.bottom,
};
/** Between ticks; a label is some six letters wide. */
const TICK_GAP = { x: 48, y: 30 };
const CAP = 3;
const TICK_SIZE = 11;
const LABEL_SIZE = 11.5;

interface Scales {
  readonly x: Scale;
  readonly y: Scale;
}

/**
 * Draws a panel of `PANEL`'s size, its upper left corner at the origin.
 *
 * @throws where an axis has nothing on it.
 */
export function panelSvg(panel: ChartPanel, lookOf: (name: string) => Look): string {
  const values = valuesOf(panel);
  const scales: Scales = {
    x: scaleOf(values.x, { kind: panel.x.kind, length: PLOT.width, gap: TICK_GAP.x }),
    y: scaleOf(values.y, { kind: panel.y.kind, length: PLOT.height, gap: TICK_GAP.y }),
  };
  const title = `<text class="chart-ink" x="0" y="-11" font-size="13" font-weight="bold">${escapeXml(panel.title ?? "")}</text>`;
  const drawn = panel.series.map((series) => ({ series, look: lookOf(series.name) }));
  return [
    `<g transform="translate(${ROOM.left} ${ROOM.top})">`,
    panel.title === undefined ? "" : title,
    gridSvg(scales),
    axisLabelsSvg(panel),
    panel.guide === undefined ? "" : guideSvg(scales.x.at(panel.guide)),
    ...drawn.map(({ series, look }) => seriesSvg(series, look, scales)),
    // Above the points of all series.
    ...drawn.map(({ series, look }) => marksSvg(series.marks ?? [], look, scales)),
    "</g>",
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function valuesOf({ series, guide }: ChartPanel): { x: number[]; y: number[] } {
  const marks = series.flatMap((each) => each.marks ?? []);
  const points: ChartMark[] = [...series.flatMap(({ points = [], curve = [] }) => [...points, ...curve]), ...marks];
  const given = (values: readonly (number | undefined)[]) => values.filter((value) => value !== undefined);
  return {
    x: given([...points.flatMap(({ x, xLow, xHigh }) => [x, xLow, xHigh]), guide]),
    y: given(points.flatMap(({ y, low, high }) => [y, low, high])),
  };
}

function gridSvg({ x, y }: Scales): string {
  const { width, height } = PLOT;
  const upright = x.ticks.map(({ at }) => `M${px(at)} 0V${height}`);
  const level = y.ticks.map(({ at }) => `M0 ${px(height - at)}H${width}`);
  const xTexts = x.ticks.map(({ at, text }) => `<text x="${px(at)}" y="${height + 17}">${escapeXml(text)}</text>`);
  const yTexts = y.ticks.map(({ at, text }) => `<text x="-8" y="${px(height - at + 4)}">${escapeXml(text)}</text>`);
  return [
    `<path class="chart-grid" d="${[...upright, ...level].join("")}" fill="none"/>`,
    `<path class="chart-axis" d="M0 0V${height}H${width}" fill="none"/>`,
    `<g class="chart-quiet" font-size="${TICK_SIZE}" text-anchor="middle">${xTexts.join("")}</g>`,
    `<g class="chart-quiet" font-size="${TICK_SIZE}" text-anchor="end">${yTexts.join("")}</g>`,
  ].join("\n");
}

function axisLabelsSvg({ x, y }: ChartPanel): string {
  const [middle, level] = [PLOT.width / 2, PLOT.height / 2];
  return [
    `<g class="chart-ink" font-size="${LABEL_SIZE}" text-anchor="middle">`,
    `<text x="${middle}" y="${PLOT.height + 37}">${escapeXml(x.label)}</text>`,
    `<text transform="translate(${18 - ROOM.left} ${level}) rotate(-90)">${escapeXml(y.label)}</text>`,
    "</g>",
  ].join("");
}

const guideSvg = (at: number): string =>
  `<path class="chart-guide" d="M${px(at)} 0V${PLOT.height}" fill="none" stroke-dasharray="3 3"/>`;

function seriesSvg({ points = [], curve = [] }: ChartSeries, look: Look, scales: Scales): string {
  const dash = look.dash === null ? "" : ` stroke-dasharray="${look.dash}"`;
  const line = `<path class="chart-curve" d="M${curve.map((point) => placed(point, scales).join(" ")).join("L")}" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linejoin="round"${dash}/>`;
  const bars = points.map((point) => barSvg(point, scales)).join("");
  const markers = points.map((point) => {
    const [x, y] = placed(point, scales);
    return `<path transform="translate(${x} ${y})" d="${look.marker}"/>`;
  });
  return [
    `<g class="series-${look.index}" color="${look.color}">`,
    curve.length > 0 ? line : "",
    bars,
    // Seeds that lie on one another show as darker.
    markers.length > 0 ? `<g class="chart-points" fill="currentColor" fill-opacity="0.6">${markers.join("")}</g>` : "",
    "</g>",
  ].join("");
}

function marksSvg(marks: readonly ChartMark[], look: Look, scales: Scales): string {
  const parts = marks.map((mark) => barSvg(mark, scales) + starSvg(placed(mark, scales), mark.isHollow));
  return parts.length === 0 ? "" : `<g class="series-${look.index}" color="${look.color}">${parts.join("")}</g>`;
}

const starSvg = ([x, y]: readonly [number, number], isHollow = false): string =>
  `<path class="${isHollow ? "chart-star-hollow" : "chart-star"}" transform="translate(${x} ${y})" d="${STAR}" stroke-width="1.4"/>`;

/** Error bars, along y and along x. */
function barSvg(point: ChartMark, scales: Scales): string {
  const { x, y, low, high, xLow, xHigh } = point;
  const parts: string[] = [];
  if (low !== undefined && high !== undefined) {
    const [at, bottom] = placed({ x, y: low }, scales);
    const [, top] = placed({ x, y: high }, scales);
    parts.push(`M${at} ${bottom}V${top}`, ...[bottom, top].map((end) => `M${px(at - CAP)} ${end}h${2 * CAP}`));
  }
  if (xLow !== undefined && xHigh !== undefined) {
    const [left, at] = placed({ x: xLow, y }, scales);
    const [right] = placed({ x: xHigh, y }, scales);
    parts.push(`M${left} ${at}H${right}`, ...[left, right].map((end) => `M${end} ${px(at - CAP)}v${2 * CAP}`));
  }
  const line = `<path class="chart-bar" d="${parts.join("")}" fill="none" stroke="currentColor" stroke-width="1.3"/>`;
  return parts.length === 0 ? "" : line;
}

const placed = ({ x, y }: ChartPoint, scales: Scales): [x: number, y: number] => [
  px(scales.x.at(x)),
  px(PLOT.height - scales.y.at(y)),
];

/** Hundredths of a pixel are enough. */
const px = (value: number): number => Math.round(value * 100) / 100;
