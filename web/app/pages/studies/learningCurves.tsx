import { useMemo } from "preact/hooks";
import type { StudyFitView, StudyRunView } from "../../../../src/ui/api.ts";
import { LineChart, type Series } from "../../charts/lineChart.tsx";
import { formatRange, parseRange, type Range } from "../../charts/range.ts";
import { short } from "../../format.ts";
import { useLook } from "../../theme.ts";
import { Segmented, SelectField } from "../../ui/controls.tsx";
import { seriesColor, seriesDash } from "../../ui/palette.ts";
import { useChoice, useParam } from "../../url.ts";

const AXES = ["flops", "step", "seconds"] as const;
const AXIS_TEXTS = { flops: "FLOPs", step: "steps", seconds: "seconds" } as const;
/** The start of training would flatten all that follows. */
const LEFT_OUT = 0.05;

interface LearningCurvesProps {
  readonly fits: readonly StudyFitView[];
  /** All of the study, in its order: a family looks the same whichever others are shown. */
  readonly families: readonly string[];
}

/** Training loss of each family's best run at a budget. */
export function LearningCurves({ fits, families }: LearningCurvesProps) {
  const look = useLook();
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
      best.map(({ family, run }): Series => {
        const index = families.indexOf(family);
        const name = `${family} ${run.size}`;
        return { ...curveOf(run, axis), name, color: seriesColor(index, look), dash: seriesDash(index) };
      }),
    [budget, axis, look, best.map(({ run }) => run.id).join(" ")],
  );
  if (budget === undefined) return null;
  // Another axis or budget has other numbers: a stretch of the old one means nothing there.
  const choose =
    <T,>(set: (value: T) => void) =>
    (next: T) => {
      setZoom("");
      set(next);
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
          onChange={choose(setBudget)}
        />
        <Segmented
          label="Against"
          choices={AXES}
          value={axis}
          text={(each) => AXIS_TEXTS[each]}
          onChange={choose(setAxis)}
        />
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
