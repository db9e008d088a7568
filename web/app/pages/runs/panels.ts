/** Which curves a run has, and in which chart each stands. */
import { smooth } from "../../charts/decimate.ts";
import type { Series } from "../../charts/lineChart.tsx";
import type { GrowingColumns, RunMetrics } from "../../data/columns.ts";
import { type Look, seriesColor, seriesDash } from "../../ui/palette.ts";

export const X_AXES = ["step", "tokens", "flops", "seconds"] as const;
export type XAxis = (typeof X_AXES)[number];
export const X_TEXTS: Readonly<Record<XAxis, string>> = {
  step: "steps",
  tokens: "tokens",
  flops: "FLOPs",
  seconds: "seconds",
};

interface Curve {
  readonly table: "steps" | "evaluations";
  readonly column: string;
  readonly name: string;
  readonly isSmoothed?: boolean;
}

export interface Panel {
  readonly title: string;
  /** Beside other runs each run has its first curve alone; the title then, if it is another. */
  readonly titleOfMany?: string;
  /** The y axis is a share. */
  readonly isShare?: boolean;
  /** The curves that a run may have; `rules` are those with an evaluation. */
  curves(run: DrawnRun, rules: readonly string[]): readonly Curve[];
}

/** A run as it is drawn. */
export interface DrawnRun {
  readonly id: string;
  /** Among the selected. */
  readonly place: number;
  readonly metrics: RunMetrics | null;
  readonly version: number;
  /** The rule that it samples with. */
  readonly rule: string;
}

export interface DrawOptions {
  readonly x: XAxis;
  readonly look: Look;
  /** Of the smoothing; 0 for none. */
  readonly factor: number;
}

const steps = (column: string, name: string, isSmoothed = false): Curve => ({
  table: "steps",
  column,
  name,
  isSmoothed,
});
const evaluations = (column: string, name: string): Curve => ({ table: "evaluations", column, name });

export const PANELS: readonly Panel[] = [
  {
    title: "Loss, nats a token",
    titleOfMany: "Training loss, nats a token",
    curves: ({ rule }) => [steps("loss.lm", "training", true), evaluations(`${rule}.lossNats`, "validation")],
  },
  {
    title: "Validation loss under each rule",
    titleOfMany: "Validation loss under each model's own rule",
    curves: ({ rule: own }, rules) =>
      [own, ...rules.filter((rule) => rule !== own)].map((rule) => evaluations(`${rule}.lossNats`, rule)),
  },
  {
    title: "Predictor: decisions as top-k",
    isShare: true,
    curves: () => [
      steps("predictor.accuracy", "in training", true),
      evaluations("predictor.accuracy", "in validation"),
    ],
  },
  {
    title: "Share routed through, if the causal rule decided",
    isShare: true,
    curves: () => [steps("predictor.capacity", "predictor", true), steps("auxiliary.capacity", "auxiliary", true)],
  },
  {
    title: "Experts: choices without one",
    isShare: true,
    curves: () => [steps("experts.noOps", "no-op", true), steps("experts.dropped", "no slot left", true)],
  },
  {
    title: "Router weights: mean and spread",
    curves: () => [steps("router.mean", "mean", true), steps("router.std", "standard deviation", true)],
  },
  { title: "Learning rate", curves: () => [steps("learningRate", "learning rate")] },
  { title: "Tokens a second", curves: () => [steps("tokensPerSecond", "tokens a second", true)] },
  { title: "Gradient norm", curves: () => [steps("gradientNorm", "gradient norm", true)] },
];

/** The curves of one chart: of one run all kinds, each in a colour; of several runs one kind, each run in a colour. */
export function panelSeries(panel: Panel, runs: readonly DrawnRun[], options: DrawOptions): Series[] {
  const isOne = runs.length === 1;
  return runs.flatMap((run) => {
    const { metrics } = run;
    if (metrics === null) return [];
    const all = panel.curves(run, rulesOf(metrics.evaluations));
    const curves = (isOne ? all : all.slice(0, 1)).filter((curve) => hasNumbers(metrics, curve));
    return curves.flatMap((curve, kind) => {
      const index = isOne ? kind : run.place;
      const look = { name: isOne ? curve.name : run.id, color: seriesColor(index, options.look) };
      return curveSeries(metrics, curve, { ...look, dash: seriesDash(index) }, options);
    });
  });
}

const rulesOf = (table: GrowingColumns): string[] =>
  table.names.flatMap((name) => (name.endsWith(".lossNats") ? [name.slice(0, -".lossNats".length)] : []));

const hasNumbers = (metrics: RunMetrics, { table, column }: Curve): boolean =>
  metrics[table].column(column)?.some((value) => !Number.isNaN(value)) ?? false;

function curveSeries(
  metrics: RunMetrics,
  { table, column, isSmoothed = false }: Curve,
  look: Pick<Series, "name" | "color" | "dash">,
  { x, factor }: DrawOptions,
): Series[] {
  const xs = metrics[table].column(x) ?? new Float64Array();
  const ys = metrics[table].column(column)!;
  const hasPoints = table === "evaluations";
  if (!isSmoothed || factor === 0) return [{ ...look, xs, ys, hasPoints }];
  return [
    { ...look, dash: [], xs, ys, isFaint: true },
    { ...look, xs, ys: smooth(ys, factor) },
  ];
}
