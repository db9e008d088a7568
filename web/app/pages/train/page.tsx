import { useState } from "preact/hooks";
import { useAsync } from "../../data/useAsync.ts";
import type { Engine, TrainWish } from "../../engine.ts";
import { loadEngine } from "../../engineOf.ts";
import { Notice } from "../../ui/controls.tsx";
import { TrainForm } from "./form.tsx";
import { Progress } from "./progress.tsx";
import { TrainingSession } from "./session.ts";
import { StoredRunList } from "./storedRuns.tsx";

/** One training at a time; it goes on while other pages are looked at. */
let underWay: { readonly session: TrainingSession; readonly wish: TrainWish } | null = null;

export function TrainPage() {
  const engine = useAsync(loadEngine, []);
  return (
    <>
      <h1>Train in the browser</h1>
      <p class="lead">A small model learns on this machine, in this tab. Nothing leaves it.</p>
      {engine.state === "failed" && <Notice kind="problem">{engine.message}</Notice>}
      {engine.state === "done" && <Workbench engine={engine.value} />}
    </>
  );
}

function Workbench({ engine }: { engine: Engine }) {
  const [current, setCurrent] = useState(underWay);
  const [changes, setChanges] = useState(0);
  const change = (next: typeof underWay) => {
    underWay?.session.leave();
    underWay = next;
    setCurrent(next);
  };
  const start = (wish: TrainWish) => {
    const session = new TrainingSession((tell) => engine.train(wish, tell));
    if (wish.run.kind === "resume") session.ownNames.add(wish.run.name);
    change({ session, wish });
  };
  return (
    <>
      {current === null ? (
        <TrainForm engine={engine} onStart={start} />
      ) : (
        <Progress
          {...current}
          stored={engine.stored}
          onLeave={() => change(null)}
          onSaved={() => setChanges(changes + 1)}
          onAgain={start}
        />
      )}
      <StoredRunList engine={engine} changes={changes} isBusy={current !== null} onResume={start} />
    </>
  );
}
