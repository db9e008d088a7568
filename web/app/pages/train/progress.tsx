import { useMemo, useState } from "preact/hooks";
import { fullRange, LineChart } from "../../charts/lineChart.tsx";
import type { Range } from "../../charts/range.ts";
import type { StoredRuns, TextSource, TrainWish } from "../../engine.ts";
import { fixed, percent, short } from "../../format.ts";
import { useStore } from "../../store.ts";
import { useLook } from "../../theme.ts";
import { Figure, Figures, Notice } from "../../ui/controls.tsx";
import { MapLegend } from "../../ui/routingLegend.tsx";
import { RoutingMap, type Spot } from "../../ui/routingMap.tsx";
import { useOneByOne } from "../../ui/useOneByOne.ts";
import { SpotCard } from "../microscope/spotCard.tsx";
import { PANELS, panelSeries } from "../runs/panels.ts";
import { Keep } from "./keep.tsx";
import { keepableStep, type SessionView, type TrainingSession } from "./session.ts";
import { FilesField } from "./textField.tsx";

interface ProgressProps {
  readonly session: TrainingSession;
  readonly wish: TrainWish;
  readonly stored: StoredRuns;
  readonly onLeave: () => void;
  readonly onSaved: () => void;
  /** Starts in its place. */
  readonly onAgain: (wish: TrainWish) => void;
}

const SHOWN = [
  "Loss, nats a token",
  "Predictor: decisions as top-k",
  "Share routed through, if the causal rule decided",
  "Experts: choices without one",
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
export function Progress({ session, wish, stored, onLeave, onSaved, onAgain }: ProgressProps) {
  const view = useStore(session.view);
  const { phase, words, failure, step, steps, model } = view;
  const name = wish.run.kind === "new" ? wish.run.preset : wish.run.name;
  return (
    <section class="panel" aria-labelledby="progress-title">
      <div class="panel-head">
        <h2 id="progress-title">
          {name} <span class={`state is-${phase === "failed" ? "damaged" : phase}`}>{PHASES[phase]}</span>
        </h2>
        <Controls session={session} view={view} onLeave={onLeave} />
      </div>
      {failure !== null && <Notice kind="problem">{failure.message}</Notice>}
      {failure?.code === "text" && <TextWanted wish={wish} onAgain={onAgain} />}
      {phase === "preparing" && <p class="quiet">{words}</p>}
      {model?.notes.map((note) => (
        <Notice key={note}>{note}</Notice>
      ))}
      {steps !== null && <progress max={steps} value={step} aria-label="Steps" />}
      {steps !== null && <Now session={session} view={view} />}
      <Curves session={session} view={view} />
      {view.routing !== null && <Routing view={view} />}
      {model !== null && keepableStep(view) > 0 && (
        <Keep
          {...{ session, stored, onSaved }}
          name={wish.run.kind === "new" ? `my-${name}` : name}
          asOf={phase === "failed" ? keepableStep(view) : null}
        />
      )}
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
  const leave = () => {
    if (!session.hasUnkept || confirm("Leave it, though it was not saved?")) onLeave();
  };
  const isOver = phase === "done" || phase === "stopped" || phase === "failed";
  const button = (text: string, onClick: () => void, isMain = false) => (
    <button type="button" class={isMain ? "button is-main" : "button"} onClick={onClick}>
      {text}
    </button>
  );
  return (
    <div class="actions">
      {phase === "running" && button("Pause", act(training.pause))}
      {phase === "paused" && button("Go on", act(training.resume), true)}
      {(phase === "running" || phase === "paused") && button("Stop", act(training.stop))}
      {phase === "preparing" && button("Cancel", onLeave)}
      {isOver && button("Train another", leave)}
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
    </div>
  );
}

/** A run that came without the text it began with is given it here. */
function TextWanted({ wish, onAgain }: Pick<ProgressProps, "wish" | "onAgain">) {
  const [text, setText] = useState<Extract<TextSource, { kind: "files" }>>({ kind: "files", files: [] });
  const { run } = wish;
  if (run.kind === "new") return null;
  const again = (event: Event) => {
    event.preventDefault();
    onAgain({ ...wish, run: { ...run, text } });
  };
  return (
    <form class="train-form" onSubmit={again}>
      <FilesField text={text} onChange={(next) => next.kind === "files" && setText(next)} />
      <div class="actions">
        <button type="submit" class="button is-main">
          Go on with this text
        </button>
      </div>
    </form>
  );
}

function Now({ session, view: { step, steps, model } }: PartProps) {
  const last = (name: string) => session.metrics.steps.column(name)?.at(-1);
  const rule = model?.summary.rule ?? "topk";
  return (
    <Figures>
      <Figure label="step" value={`${short(step)} / ${short(steps)}`} />
      <Figure label="training loss" value={fixed(last("loss.lm"), 3)} />
      <Figure
        label={`validation loss, ${rule}`}
        value={fixed(session.metrics.evaluations.column(`${rule}.lossNats`)?.at(-1), 3)}
      />
      <Figure label="tokens a second" value={short(last("tokensPerSecond"))} />
      {last("predictor.accuracy") !== undefined && (
        <Figure label="predictor as top-k" value={percent(last("predictor.accuracy"))} />
      )}
      <Figure label="parameters" value={short(model?.parameters)} />
      <Figure label="tokens of text" value={short(model?.textTokens)} />
    </Figures>
  );
}

const shareText = (value: number) => percent(value, 0);

function Curves({ session, view: { version, model } }: PartProps) {
  const look = useLook();
  const [range, setRange] = useState<Range | null>(null);
  const panels = useMemo(() => {
    const run = { id: "this", place: 0, metrics: session.metrics, version, rule: model?.summary.rule ?? "topk" };
    return PANELS.filter(({ title }) => SHOWN.includes(title))
      .map((panel) => ({ panel, series: panelSeries(panel, [run], { x: "step", look, factor: 0 }) }))
      .filter(({ series }) => series.length > 0);
  }, [version, look, session, model]);
  const full = fullRange(panels.flatMap(({ series }) => series));
  const made = useOneByOne(panels.length);
  return (
    <div class="charts">
      {panels.slice(0, made).map(({ panel: { title, isShare }, series }) => (
        <LineChart
          key={title}
          {...{ title, series, range, full }}
          {...(isShare && { yText: shareText })}
          xLabel="steps"
          onRange={setRange}
          group="train"
        />
      ))}
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
      <MapLegend value="choice" layers={inspection.layers} />
      <SpotCard inspection={inspection} spot={spot} />
    </div>
  );
}
