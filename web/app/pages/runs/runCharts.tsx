import { useMemo } from "preact/hooks";
import type { RunSummary } from "../../../../src/ui/api.ts";
import { fullRange, LineChart, type Series } from "../../charts/lineChart.tsx";
import { formatRange, parseRange, type Range } from "../../charts/range.ts";
import { live } from "../../data/live.ts";
import { percent } from "../../format.ts";
import { useStore } from "../../store.ts";
import { useLook } from "../../theme.ts";
import { Notice, Segmented } from "../../ui/controls.tsx";
import { useChoice, useParam } from "../../url.ts";
import { type DrawnRun, PANELS, panelSeries, X_AXES, X_TEXTS, type XAxis } from "./panels.ts";

const SMOOTHINGS = ["none", "light", "strong"] as const;
const FACTORS = { none: 0, light: 0.9, strong: 0.98 } as const;

/** All curves of the selected runs, over the same x. */
export function RunCharts({ runs }: { runs: readonly RunSummary[] }) {
  const watched = useStore(live.watched);
  const look = useLook();
  const [x, setX] = useChoice("x", X_AXES);
  const [smoothing, setSmoothing] = useChoice("smooth", SMOOTHINGS);
  const [zoom, setZoom] = useParam("zoom");
  const range = parseRange(zoom);
  const drawn = runs.map(({ id, model }, place): DrawnRun => {
    const { metrics = null, version = 0 } = watched.get(id) ?? {};
    return { id, place, metrics, version, rule: model?.rule ?? "topk" };
  });
  const problems = runs.flatMap(({ id }) => watched.get(id)?.problem ?? []);
  const version = drawn.reduce((sum, { version }) => sum + version, 0);
  const options = { x, look, factor: FACTORS[smoothing] };
  const panels = useMemo(
    () => PANELS.map((panel): readonly Series[] => panelSeries(panel, drawn, options)),
    [version, x, look, smoothing, runs.map(({ id }) => id).join(",")],
  );
  // Another axis has other numbers: a stretch of the old one means nothing there.
  const choose = (next: XAxis) => {
    setZoom("");
    setX(next);
  };
  const full = fullRange(panels.flat());
  const show = (next: Range | null) => setZoom(formatRange(next));
  return (
    <>
      <div class="chart-tools">
        <Segmented label="Against" choices={X_AXES} value={x} text={(axis) => X_TEXTS[axis]} onChange={choose} />
        <Segmented label="Smoothing" choices={SMOOTHINGS} value={smoothing} onChange={setSmoothing} />
        <button type="button" class="button is-small" disabled={range === null} onClick={() => setZoom("")}>
          Show all
        </button>
        <p class="hint">Drag in a chart to zoom.</p>
      </div>
      {problems.map((problem) => (
        <Notice key={problem} kind="problem">
          {problem}
        </Notice>
      ))}
      <div class="charts">
        {PANELS.map(({ title, titleOfMany = title, isShare }, i) =>
          panels[i]!.length === 0 ? null : (
            <LineChart
              key={title}
              title={runs.length === 1 ? title : titleOfMany}
              {...{ range, full }}
              xLabel={X_TEXTS[x]}
              {...(isShare && { yText: (value: number) => percent(value, 0) })}
              series={panels[i]!}
              onRange={show}
              group="runs"
            />
          ),
        )}
      </div>
    </>
  );
}
