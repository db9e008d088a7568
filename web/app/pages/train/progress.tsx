import { useEffect, useMemo, useState } from "preact/hooks";
import { fullRange, LineChart } from "../../charts/lineChart.tsx";
import type { Range } from "../../charts/range.ts";
import { fixed, percent, short } from "../../format.ts";
import { useStore } from "../../store.ts";
import { useLook } from "../../theme.ts";
import { Field, Figure, Figures, Notice } from "../../ui/controls.tsx";
import { MapLegend } from "../../ui/routingLegend.tsx";
import { RoutingMap, type Spot } from "../../ui/routingMap.tsx";
import { PANELS, panelSeries } from "../runs/panels.ts";
import { saveAs } from "./saveAs.ts";
import type { SessionView, TrainingSession } from "./session.ts";

interface ProgressProps {
  readonly session: TrainingSession;
  readonly onLeave: () => void;
  readonly onSaved: () => void;
}

const SHOWN = [
  "Loss, nats a token",
  "Predictor: decisions as top-k",
  "Share routed through, if the causal rule decided",
  "Tokens a second",
];
const PHASES: Readonly<Record<SessionView["phase"], string>> = {
  preparing: "preparing",
  running: "training",
  paused: "paused",
  stopped: "stopped",
  done: "done",
  failed: "failed",
};

/** A training under way: its curves, its routing, and what can be done with it. */
export function Progress({ session, onLeave, onSaved }: ProgressProps) {
  const view = useStore(session.view);
  const { phase, words, step, steps, summary } = view;
  const isUnderWay = phase === "preparing" || phase === "running" || phase === "paused";
  // What was not saved would be gone with the tab.
  useEffect(() => {
    if (!isUnderWay) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isUnderWay]);
  return (
    <section class="panel" aria-labelledby="progress-title">
      <div class="panel-head">
        <h2 id="progress-title">
          Training <span class={`state is-${phase === "failed" ? "damaged" : phase}`}>{PHASES[phase]}</span>
        </h2>
        <Controls session={session} view={view} onLeave={onLeave} />
      </div>
      {phase === "failed" && <Notice kind="problem">{words}</Notice>}
      {phase === "preparing" && <p class="quiet">{words ?? "Starting…"}</p>}
      {steps !== null && <progress max={steps} value={step} aria-label="Steps" />}
      <Now session={session} view={view} />
      <Curves session={session} view={view} />
      {view.routing !== null && <Routing view={view} />}
      {summary !== null && step > 0 && <Keep session={session} onSaved={onSaved} />}
    </section>
  );
}

interface PartProps {
  readonly session: TrainingSession;
  readonly view: SessionView;
}

function Controls({ session, view: { phase }, onLeave }: PartProps & { readonly onLeave: () => void }) {
  const { training } = session;
  const [problem, setProblem] = useState<string | null>(null);
  const act = (work: () => Promise<void>) => () => work().catch((error: Error) => setProblem(error.message));
  const isOver = phase === "done" || phase === "stopped" || phase === "failed";
  return (
    <div class="actions">
      {phase === "running" && (
        <button type="button" class="button" onClick={act(() => training.pause())}>
          Pause
        </button>
      )}
      {phase === "paused" && (
        <button type="button" class="button is-main" onClick={act(() => training.resume())}>
          Go on
        </button>
      )}
      {!isOver && (
        <button type="button" class="button" onClick={act(() => training.stop())}>
          Stop
        </button>
      )}
      {isOver && (
        <button type="button" class="button" onClick={onLeave}>
          Train another
        </button>
      )}
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
    </div>
  );
}

function Now({ session, view: { step, steps, summary } }: PartProps) {
  const last = (name: string) => session.metrics.steps.column(name)?.at(-1);
  const rule = summary?.rule ?? "topk";
  return (
    <Figures>
      <Figure label="step" value={steps === null ? "–" : `${short(step)} / ${short(steps)}`} />
      <Figure label="training loss" value={fixed(last("loss.lm"), 3)} />
      <Figure
        label={`validation loss, ${rule}`}
        value={fixed(session.metrics.evaluations.column(`${rule}.lossNats`)?.at(-1), 3)}
      />
      <Figure label="tokens a second" value={short(last("tokensPerSecond"))} />
      {summary?.capacityRatio != null && (
        <Figure label="predictor as top-k" value={percent(last("predictor.accuracy"))} />
      )}
    </Figures>
  );
}

function Curves({ session, view: { version, summary } }: PartProps) {
  const look = useLook();
  const [range, setRange] = useState<Range | null>(null);
  const panels = useMemo(() => {
    const run = { id: "this", place: 0, metrics: session.metrics, version, rule: summary?.rule ?? "topk" };
    return PANELS.filter(({ title }) => SHOWN.includes(title)).map((panel) => ({
      panel,
      series: panelSeries(panel, [run], { x: "step", look, factor: 0 }),
    }));
  }, [version, look, session]);
  const full = fullRange(panels.flatMap(({ series }) => series));
  return (
    <div class="charts">
      {panels.map(({ panel: { title, isShare }, series }) =>
        series.length === 0 ? null : (
          <LineChart
            key={title}
            {...{ title, series, range, full }}
            {...(isShare && { yText: (value: number) => percent(value, 0) })}
            xLabel="steps"
            onRange={setRange}
            group="train"
          />
        ),
      )}
    </div>
  );
}

function Routing({ view: { routing } }: { view: SessionView }) {
  const [spot, setSpot] = useState<Spot | null>(null);
  const { step, inspection } = routing!;
  return (
    <div class="train-routing">
      <h3>
        Its routing at step {short(step)} <span class="quiet">of a text that stays the same</span>
      </h3>
      <RoutingMap inspection={inspection} value="choice" spot={spot} onSpot={setSpot} />
      <MapLegend value="choice" hasRouting={inspection.layers.some(({ kind }) => kind !== "dense")} />
    </div>
  );
}

function Keep({ session, onSaved }: { session: TrainingSession; onSaved: () => void }) {
  const [name, setName] = useState("my-first-model");
  const [told, setTold] = useState<{ readonly kind: "note" | "problem"; readonly text: string } | null>(null);
  const act = async (work: () => Promise<string>) => {
    setTold({ kind: "note", text: "Working…" });
    await work().then(
      (text) => setTold({ kind: "note", text }),
      (error: Error) => setTold({ kind: "problem", text: error.message }),
    );
  };
  const save = () =>
    act(async () => {
      await session.training.save(name);
      onSaved();
      return `Saved in this browser as ${name}.`;
    });
  const download = () =>
    act(async () => {
      saveAs(await session.training.download(), `${name}.tar`);
      return `Unpack ${name}.tar and go on with: npx mod train --resume ${name}`;
    });
  return (
    <div class="keep">
      <Field label="Name">
        {(id) => (
          <input
            id={id}
            required
            pattern="[A-Za-z0-9][A-Za-z0-9_.\-]*"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      </Field>
      <button type="button" class="button" disabled={name === ""} onClick={save}>
        Save in this browser
      </button>
      <button type="button" class="button" disabled={name === ""} onClick={download}>
        Download the run folder
      </button>
      {told !== null && <Notice kind={told.kind}>{told.text}</Notice>}
    </div>
  );
}
