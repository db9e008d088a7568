import { type Chart, renderChart } from "../render/chart.ts";
import type { ChartMark, ChartPanel, ChartSeries } from "../render/chartPanel.ts";
import { runsOf } from "./cells.ts";
import type { FamilyFit } from "./fit.ts";
import { groupBy } from "./groupBy.ts";
import { forwardFlopsAt, type Minimum } from "./minimum.ts";
import { valueAt } from "./parabola.ts";
import { budgetText } from "./plan.ts";
import type { RunResult } from "./runResult.ts";
import type { Study } from "./studySchema.ts";

export const FIGURE_NAMES = ["loss-parameters", "loss-forward-flops", "learning-curves"] as const;

export interface Figure {
  /** Of its files, without their endings. */
  readonly name: (typeof FIGURE_NAMES)[number];
  readonly svg: string;
}

const CURVE_POINTS = 61;
/** The start of training, as a share of its course: losses there would flatten all that follows. */
const LEFT_OUT = 0.05;
const LOSS_LABEL = "loss, nats per token";
const MARKS_NOTE =
  "Points: runs, a seed each. Lines: parabolas of least squares over ln(parameters). ★ their minimum, bars: 95 % interval over seeds; ☆ the best size, where the sizes do not bracket a minimum.";

/** The figures that there are results for. */
export function figuresOf(study: Study, fits: readonly FamilyFit[]): Figure[] {
  const measured = fits.filter(({ sizes }) => sizes.length > 0);
  if (measured.length === 0) return [];
  const charts: Record<Figure["name"], Chart | null> = {
    "loss-parameters": lossParameters(measured),
    "loss-forward-flops": lossForwardFlops(measured, study.compare?.baseline),
    "learning-curves": learningCurves(measured),
  };
  return FIGURE_NAMES.flatMap((name) => {
    const chart = charts[name];
    return chart === null ? [] : [{ name, svg: renderChart(chart) }];
  });
}

function lossParameters(fits: readonly FamilyFit[]): Chart {
  const identity = (parameters: number) => parameters;
  return {
    title: "Loss against parameters at equal training FLOPs",
    notes: [MARKS_NOTE],
    panels: panelsByBudget(fits, (same) => ({
      x: { label: "parameters", kind: "log" },
      series: same.map((fit) => isoFlopSeries(fit, (run) => run.parameters, identity, "parameters", 1)),
    })),
  };
}

/** Forward FLOPs over those of the baseline's optimum; as they are where there is none. */
function lossForwardFlops(fits: readonly FamilyFit[], baseline: string | undefined): Chart {
  return {
    title: "Loss against forward FLOPs per token at equal training FLOPs",
    notes: [MARKS_NOTE],
    panels: panelsByBudget(fits, (same) => {
      const optimum = same.find(({ family }) => family === baseline)?.minimum ?? null;
      const unit = optimum?.forwardFlopsPerToken ?? 1;
      const label = optimum === null ? "forward FLOPs per token" : `forward FLOPs per token / best ${baseline}'s`;
      const series = same.map((fit) => {
        const curveX = (parameters: number) => forwardFlopsAt(fit.sizes, parameters) / unit;
        return isoFlopSeries(fit, (run) => run.forwardFlopsPerToken / unit, curveX, "forwardFlopsPerToken", unit);
      });
      return { x: { label, kind: "log" }, ...(optimum !== null && { guide: 1 }), series };
    }),
  };
}

function panelsByBudget(
  fits: readonly FamilyFit[],
  panelOf: (same: readonly FamilyFit[]) => Pick<ChartPanel, "x" | "guide" | "series">,
): ChartPanel[] {
  return [...groupBy(fits, ({ budget }) => budget)].map(([budget, same]) => ({
    title: `${budgetText(budget)} training FLOPs`,
    y: { label: LOSS_LABEL, kind: "linear" },
    ...panelOf(same),
  }));
}

/**
 * A family's runs, parabola and minimum.
 *
 * @param quantity of the minimum that lies along x, in multiples of `unit`
 */
function isoFlopSeries(
  fit: FamilyFit,
  pointX: (run: RunResult) => number,
  curveX: (parameters: number) => number,
  quantity: "parameters" | "forwardFlopsPerToken",
  unit: number,
): ChartSeries {
  const points = runsOf(fit).map((run) => ({ x: pointX(run), y: run.lossNats }));
  const { minimum } = fit;
  if (minimum === null) return { name: fit.family, points };
  const curve = parametersAlong(fit).map((parameters) => ({
    x: curveX(parameters),
    y: valueAt(minimum.overParameters, Math.log(parameters)),
  }));
  return { name: fit.family, points, curve, marks: [markOf(fit, minimum, quantity, unit)] };
}

function markOf(
  { intervals }: FamilyFit,
  minimum: Minimum,
  quantity: "parameters" | "forwardFlopsPerToken",
  unit: number,
): ChartMark {
  const { bracketed, lossNats } = minimum;
  const mark = { x: minimum[quantity] / unit, y: lossNats, isHollow: !bracketed };
  if (intervals === null) return mark;
  const { low, high } = intervals.lossNats;
  const along = { xLow: intervals[quantity].low / unit, xHigh: intervals[quantity].high / unit };
  return { ...mark, low, high, ...(bracketed && along) };
}

/** From the smallest size to the largest, evenly in logarithms. */
function parametersAlong({ sizes }: FamilyFit): number[] {
  const [first, last] = [sizes[0]!.parameters, sizes.at(-1)!.parameters];
  const inner = Array.from(
    { length: CURVE_POINTS - 2 },
    (_, i) => first * (last / first) ** ((i + 1) / (CURVE_POINTS - 1)),
  );
  return [first, ...inner, last];
}

/** Of the best run of each family at the largest budget that has runs; null if none has a curve. */
function learningCurves(fits: readonly FamilyFit[]): Chart | null {
  const { budget } = fits.at(-1)!;
  const best = fits
    .filter((fit) => fit.budget === budget)
    .map((fit) => runsOf(fit).reduce((a, b) => (b.lossNats < a.lossNats ? b : a)))
    .filter(({ curve }) => curve.length > 0);
  if (best.length === 0) return null;
  const panel = (label: string, key: "step" | "flops" | "seconds"): ChartPanel => ({
    x: { label, kind: "linear" },
    y: { label: "training loss, nats per token", kind: "linear" },
    series: best.map(({ family, size, curve }) => {
      const shown = curve.slice(Math.floor(LEFT_OUT * curve.length));
      return { name: `${family} ${size}`, curve: shown.map((point) => ({ x: point[key], y: point.lossNats })) };
    }),
  });
  return {
    title: `Learning curves at ${budgetText(budget)} training FLOPs: each family's best run`,
    notes: [
      "Training loss, means over stretches of steps; routed blocks choose by top-k while training. The first twentieth is left out. Seconds depend on what else the machine did.",
    ],
    panels: [panel("steps", "step"), panel("training FLOPs", "flops"), panel("seconds of training", "seconds")],
  };
}
