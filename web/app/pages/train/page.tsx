import { useState } from "preact/hooks";
import { useAsync } from "../../data/useAsync.ts";
import type { Engine, Training } from "../../engine.ts";
import { loadEngine, NO_ENGINE } from "../../engineOf.ts";
import { Notice } from "../../ui/controls.tsx";
import { TrainForm } from "./form.tsx";
import { Progress } from "./progress.tsx";
import { TrainingSession } from "./session.ts";
import { StoredRunList } from "./storedRuns.tsx";

/** One training at a time; it goes on while other pages are looked at. */
let underWay: TrainingSession | null = null;

export function TrainPage() {
  const engine = useAsync(loadEngine, []);
  return (
    <>
      <h1>Train in the browser</h1>
      <p class="lead">A small model learns on this machine, in this tab. Nothing leaves it.</p>
      {engine.state === "failed" && <Notice kind="problem">{engine.message}</Notice>}
      {engine.state === "done" &&
        (engine.value === null ? <Notice>{NO_ENGINE}</Notice> : <Workbench engine={engine.value} />)}
    </>
  );
}

function Workbench({ engine }: { engine: Engine }) {
  const [session, setSession] = useState(underWay);
  const [problem, setProblem] = useState<string | null>(null);
  const [changes, setChanges] = useState(0);
  const follow = async (start: () => Promise<Training>) => {
    setProblem(null);
    try {
      const training = await start();
      underWay?.leave();
      underWay = new TrainingSession(training);
      setSession(underWay);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const leave = () => {
    underWay?.leave();
    underWay = null;
    setSession(null);
  };
  return (
    <>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      {session === null ? (
        <TrainForm engine={engine} onStart={(settings) => follow(() => engine.train(settings))} />
      ) : (
        <Progress session={session} onLeave={leave} onSaved={() => setChanges(changes + 1)} />
      )}
      <StoredRunList
        engine={engine}
        changes={changes}
        isBusy={session !== null}
        onResume={(id, device) => follow(() => engine.stored.resume(id, device))}
      />
    </>
  );
}
