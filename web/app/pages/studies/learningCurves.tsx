import { useMemo } from "preact/hooks";
import type { StudyFitView, StudyRunView } from "../../../../src/ui/api.ts";
import { LineChart, type Series } from "../../charts/lineChart.tsx";
import { formatRange, parseRange, type Range } from "../../charts/range.ts";
import { short } from "../../format.ts";
import { Segmented, SelectField } from "../../ui/controls.tsx";
import { seriesDash } from "../../ui/palette.ts";
import { useChoice, useParam } from "../../url.ts";

const AXES = ["flops", "step", "seconds"] as const;
const AXIS_TEXTS = { flops: "FLOPs", step: "steps", seconds: "seconds" } as const;
/** The start of training would flatten all that follows. */
const LEFT_OUT = 0.05;

interface LearningCurvesProps {
  readonly fits: readonly StudyFitView[];
  readonly colorOf: (family: string) => string;
}

/** Training loss of each family's best run at a budget. */
export function LearningCurves({ fits, colorOf }: LearningCurvesProps) {
  const [axis, setAxis] = useChoice("curve", AXES);
  const [zoom, setZoom] = useParam("zoom");
  const budgets = [...new Set(fits.map(({ budget }) => budget))];
  const [wanted, setBudget] = useParam("budget");
  const budget = budgets.find((each) => String(each) === wanted) ?? budgets.at(-1);
  const best = fits
    .filter((fit) => fit.budget === budget)
    .map((fit) => ({ family: fit.family, run: bestOf(fit.runs) }));
  const series = useMemo(
    () =>
      best.map(
        ({ family, run }, i): Series => ({
          ...curveOf(run, axis),
          name: `${family} ${run.size}`,
          color: colorOf(family),
          dash: seriesDash(i),
        }),
      ),
    [fits.length, budget, axis, ...best.map(({ family }) => colorOf(family))],
  );
  if (budget === undefined) return null;
  // Another axis has other numbers: a stretch of the old one means nothing there.
  const choose = (next: (typeof AXES)[number]) => {
    setZoom("");
    setAxis(next);
  };
  const show = (range: Range | null) => setZoom(formatRange(range));
  return (
    <section class="panel" aria-labelledby="curves-title">
      <div class="panel-head">
        <h2 id="curves-title">Learning curves of each family's best run</h2>
        <SelectField
          label="Budget"
          value={String(budget)}
          options={budgets.map((each) => ({ value: String(each), text: `${short(each)} FLOPs` }))}
          onChange={setBudget}
        />
        <Segmented label="Against" choices={AXES} value={axis} text={(each) => AXIS_TEXTS[each]} onChange={choose} />
      </div>
      <LineChart
        title="Training loss, nats a token"
        xLabel={AXIS_TEXTS[axis]}
        series={series}
        range={parseRange(zoom)}
        onRange={show}
        group="study"
      />
    </section>
  );
}

const bestOf = (runs: readonly StudyRunView[]): StudyRunView =>
  runs.reduce((a, b) => (b.lossNats < a.lossNats ? b : a));

function curveOf({ curve }: StudyRunView, axis: (typeof AXES)[number]) {
  const shown = curve.slice(Math.floor(LEFT_OUT * curve.length));
  return { xs: shown.map((point) => point[axis]), ys: shown.map(({ lossNats }) => lossNats) };
}
