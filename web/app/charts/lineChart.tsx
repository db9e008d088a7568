import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { short } from "../format.ts";
import { useLook } from "../theme.ts";
import { isShortcut } from "../ui/shortcut.ts";
import { decimate } from "./decimate.ts";
import { movedRange, type Range } from "./range.ts";

/** One curve. Its arrays may be long: what is drawn is worked out of them for each range. */
export interface Series {
  readonly name: string;
  readonly color: string;
  readonly dash?: readonly number[];
  /** Drawn behind the others, faintly: what a smoothed curve was made of. */
  readonly isFaint?: boolean;
  /** Points are marked. */
  readonly hasPoints?: boolean;
  readonly xs: ArrayLike<number>;
  readonly ys: ArrayLike<number>;
}

interface LineChartProps {
  readonly title: string;
  readonly xLabel: string;
  readonly yText?: (value: number) => string;
  /** Another list when the numbers behind it change. */
  readonly series: readonly Series[];
  /** Of charts that belong together; of this chart's own curves, if not given. */
  readonly full?: Range;
  /** What is shown; null: all there is. */
  readonly range: Range | null;
  readonly onRange: (range: Range | null) => void;
  /** Charts of one group show the same place. */
  readonly group: string;
}

const HEIGHT = 210;
const FONT = '11px "Inter Variable", system-ui, sans-serif';
const INK = { light: { axis: "#5b6470", grid: "#e8eaee" }, dark: { axis: "#9aa5b4", grid: "#262d36" } };

/**
 * A chart of curves. Drag along x to zoom, double click to see all again; with the keyboard: + and − zoom, arrows move, 0 shows
 * all.
 */
export function LineChart(props: LineChartProps) {
  const { title, series, range, full, onRange } = props;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const look = useLook();
  const shape = JSON.stringify([look, props.xLabel, series.map(({ name, color, dash }) => [name, color, dash])]);

  useEffect(() => {
    const element = host.current!;
    const made = new uPlot(
      optionsOf(latest, look, element.clientWidth),
      dataOf(latest.current, element.clientWidth),
      element,
    );
    chart.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT });
      made.setData(dataOf(latest.current, element.clientWidth), false);
      setRange(made, latest.current);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = undefined;
    };
  }, [shape]);

  useEffect(() => {
    if (chart.current === undefined) return;
    chart.current.setData(dataOf(latest.current, chart.current.width), false);
    setRange(chart.current, latest.current);
  }, [series, range?.[0], range?.[1], full?.[0], full?.[1], shape]);

  const isEmpty = series.every(({ xs }) => xs.length === 0);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div
        class="chart-plot"
        ref={host}
        tabIndex={0}
        role="group"
        aria-label={`${title}. Plus and minus zoom, arrows move, zero shows all.`}
        onKeyDown={(event) => moveByKey(event, full ?? fullRange(series), range, onRange)}
      />
      {isEmpty && <p class="chart-empty">Nothing measured yet.</p>}
    </figure>
  );
}

/** All of the x that curves have. */
export function fullRange(series: readonly Series[]): Range {
  const lows = series.flatMap(({ xs }) => (xs.length > 0 ? [xs[0]!] : []));
  const highs = series.flatMap(({ xs }) => (xs.length > 0 ? [xs[xs.length - 1]!] : []));
  const [low, high] = lows.length === 0 ? [0, 1] : [Math.min(...lows), Math.max(...highs)];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

const shownRange = ({ series, range, full }: LineChartProps): Range => range ?? full ?? fullRange(series);

function setRange(chart: uPlot, props: LineChartProps): void {
  const [min, max] = shownRange(props);
  chart.setScale("x", { min, max });
}

/** The curves as uPlot takes them: one x for all, gaps where a curve has no point of its own. */
function dataOf(props: LineChartProps, width: number): uPlot.AlignedData {
  const shown = shownRange(props);
  const tables = props.series.map(({ xs, ys }): uPlot.AlignedData => {
    const points = decimate(xs, ys, shown, Math.max(100, Math.round(width)));
    return [points.xs, points.ys];
  });
  return tables.length === 0 ? [[]] : tables.length === 1 ? tables[0]! : uPlot.join(tables);
}

function optionsOf(latest: { readonly current: LineChartProps }, look: "light" | "dark", width: number): uPlot.Options {
  const { series, xLabel, yText = (value) => short(value, 4), group } = latest.current;
  const { axis, grid } = INK[look];
  const showAll = () => {
    latest.current.onRange(null);
    return null;
  };
  const shared = {
    stroke: axis,
    font: FONT,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 4 },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 18, 0, 0],
    legend: { live: true, markers: { width: 1.5 } },
    cursor: {
      sync: { key: group, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      bind: { dblclick: () => showAll },
    },
    scales: { x: { time: false } },
    axes: [
      { ...shared, size: 32, space: 64, values: (_, splits) => splits.map((value) => short(value, 4)) },
      { ...shared, size: 52, space: 34, values: (_, splits) => splits.map(yText) },
    ],
    series: [
      { label: xLabel, value: (_, value) => short(value, 4) },
      ...series.map(({ name, color, dash, isFaint = false, hasPoints = false }) => ({
        label: name,
        class: isFaint ? "is-faint" : "is-plain",
        stroke: isFaint ? `${color}4d` : color,
        width: isFaint ? 1 : 1.6,
        spanGaps: true,
        ...(dash !== undefined && dash.length > 0 && { dash: [...dash] }),
        points: { show: hasPoints, size: 5, fill: color },
        value: (_: uPlot, value: number | null) => (value === null ? "–" : yText(value)),
      })),
    ],
    hooks: { setSelect: [(chart) => zoomToSelection(chart, latest)] },
  };
}

function zoomToSelection(chart: uPlot, latest: { readonly current: LineChartProps }): void {
  const { left, width } = chart.select;
  if (width < 4) return;
  latest.current.onRange([chart.posToVal(left, "x"), chart.posToVal(left + width, "x")]);
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

function moveByKey(event: KeyboardEvent, full: Range, shown: Range | null, onRange: LineChartProps["onRange"]): void {
  if (isShortcut(event)) return;
  const next = movedRange(event.key, full, shown);
  if (next === undefined) return;
  event.preventDefault();
  onRange(next);
}
