import { useState } from "preact/hooks";
import { useAsync } from "../../data/useAsync.ts";
import type { Engine, StoredRun, TrainWish } from "../../engine.ts";
import { ago, bytes, short } from "../../format.ts";
import { forgetFiles, Notice } from "../../ui/controls.tsx";
import { linkTo, useParam } from "../../url.ts";
import { deviceOf, WATCHED } from "./form.tsx";
import { saveAs } from "./saveAs.ts";

interface StoredRunListProps {
  readonly engine: Engine;
  /** Changes when a run was saved elsewhere on the page. */
  readonly changes: number;
  /** A training is under way: another cannot go on beside it. */
  readonly isBusy: boolean;
  readonly onResume: (wish: TrainWish) => void;
}

/** The runs that this browser keeps, and the way in for others. */
export function StoredRunList({ engine, changes, isBusy, onResume }: StoredRunListProps) {
  const { stored } = engine;
  const [own, setOwn] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [device] = useParam("device");
  const [watched] = useParam("watch", WATCHED);
  const list = useAsync(() => stored.list(), [changes, own]);
  const act = async (work: () => Promise<unknown>) => {
    setProblem(null);
    await work().catch((error: Error) => setProblem(error.message));
    setOwn((count) => count + 1);
  };
  const resume = async (name: string) => {
    const report = await engine.devices();
    onResume({ device: deviceOf(device, report), watched, run: { kind: "resume", name } });
  };
  return (
    <section class="panel" aria-labelledby="stored-title">
      <div class="panel-head">
        <h2 id="stored-title">Kept in this browser</h2>
        <TakeIn onFile={(file) => act(() => stored.takeIn(file))} />
      </div>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      {list.state === "failed" && <Notice kind="problem">{list.message}</Notice>}
      {list.state === "done" && list.value.length === 0 && (
        <p class="quiet">None yet. A run folder of mod train can be taken in too: as a .zip of the whole folder.</p>
      )}
      <ul class="stored">
        {list.state === "done" &&
          list.value.map((run) => (
            <StoredRow
              key={run.name}
              run={run}
              isBusy={isBusy}
              onResume={() => act(() => resume(run.name))}
              onDownload={() => act(async () => saveAs(await stored.archive(run.name), `${run.name}.zip`))}
              onRemove={() => confirm(`Delete ${run.name} from this browser?`) && act(() => stored.remove(run.name))}
            />
          ))}
      </ul>
    </section>
  );
}

const TakeIn = ({ onFile }: { onFile: (file: File) => void }) => (
  <label class="button is-file">
    Take in a .zip…
    <input
      class="visually-hidden"
      type="file"
      accept=".zip"
      onClick={forgetFiles}
      onChange={(event) => event.currentTarget.files?.[0] && onFile(event.currentTarget.files[0])}
    />
  </label>
);

interface StoredRowProps {
  readonly run: StoredRun;
  readonly isBusy: boolean;
  readonly onResume: () => void;
  readonly onDownload: () => void;
  readonly onRemove: () => void;
}

function StoredRow({ run, isBusy, onResume, onDownload, onRemove }: StoredRowProps) {
  const { name, step, plan } = run;
  const canGoOn = plan !== null && (plan.steps === null || step < plan.steps);
  return (
    <li>
      <span class="stored-name">{name}</span>
      <span class="quiet">{wordsOf(run)}</span>
      <span class="actions">
        {canGoOn && (
          <button type="button" class="button is-small" disabled={isBusy} onClick={onResume}>
            Go on
          </button>
        )}
        <a class="button is-small" href={linkTo("microscope", { model: `stored:${name}` })}>
          Look into
        </a>
        <a class="button is-small" href={linkTo("playground", { model: `stored:${name}` })}>
          Sample
        </a>
        <button type="button" class="button is-small" onClick={onDownload}>
          Download
        </button>
        <button type="button" class="button is-small is-quiet" onClick={onRemove}>
          Delete
        </button>
      </span>
    </li>
  );
}

function wordsOf({ plan, step, bytes: size, modified }: StoredRun): string {
  const rest = `${bytes(size)} · ${ago(modified)}`;
  if (plan === null) return `its configuration cannot be read · ${rest}`;
  const { model, steps } = plan;
  const progress = steps === null ? `step ${short(step)}` : `step ${short(step)} of ${short(steps)}`;
  return `${model.family} ${model.nLayer}×${model.dModel} · ${progress} · ${rest}`;
}
