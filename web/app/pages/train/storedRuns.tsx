import { useState } from "preact/hooks";
import { useAsync } from "../../data/useAsync.ts";
import type { Device, Engine, StoredRun } from "../../engine.ts";
import { ago, bytes, short } from "../../format.ts";
import { Notice } from "../../ui/controls.tsx";
import { linkTo } from "../../url.ts";
import { saveAs } from "./saveAs.ts";

interface StoredRunListProps {
  readonly engine: Engine;
  /** Changes when a run was saved elsewhere on the page. */
  readonly changes: number;
  /** A training is under way: another cannot go on beside it. */
  readonly isBusy: boolean;
  readonly onResume: (id: string, device: Device) => void;
}

/** The runs that this browser keeps, and the way in for others. */
export function StoredRunList({ engine, changes, isBusy, onResume }: StoredRunListProps) {
  const [own, setOwn] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const stored = useAsync(() => engine.stored.list(), [changes, own]);
  const act = async (work: () => Promise<unknown>) => {
    setProblem(null);
    await work().catch((error: Error) => setProblem(error.message));
    setOwn((count) => count + 1);
  };
  const resume = async (id: string) => onResume(id, (await engine.devices()).webgpu ? "webgpu" : "wasm");
  return (
    <section class="panel" aria-labelledby="stored-title">
      <div class="panel-head">
        <h2 id="stored-title">Kept in this browser</h2>
        <label class="button is-file">
          Take in a run…
          <input
            class="visually-hidden"
            type="file"
            accept=".tar,.gz,.tgz"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file)
                void act(() => engine.stored.importArchive(file, file.name.replace(/\.(tar|tgz|tar\.gz)$/, "")));
            }}
          />
        </label>
      </div>
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
      {stored.state === "failed" && <Notice kind="problem">{stored.message}</Notice>}
      {stored.state === "done" && stored.value.length === 0 && (
        <p class="quiet">None yet. A run folder of mod train, packed with tar, can be taken in.</p>
      )}
      <ul class="stored">
        {stored.state === "done" &&
          stored.value.map((run) => (
            <StoredRow
              key={run.id}
              run={run}
              isBusy={isBusy}
              onResume={() => act(() => resume(run.id))}
              onExport={() => act(async () => saveAs(await engine.stored.exportArchive(run.id), `${run.name}.tar`))}
              onRemove={() =>
                confirm(`Delete ${run.name} from this browser?`) && act(() => engine.stored.remove(run.id))
              }
            />
          ))}
      </ul>
    </section>
  );
}

interface StoredRowProps {
  readonly run: StoredRun;
  readonly isBusy: boolean;
  readonly onResume: () => void;
  readonly onExport: () => void;
  readonly onRemove: () => void;
}

function StoredRow({ run, isBusy, onResume, onExport, onRemove }: StoredRowProps) {
  const { name, summary, step, steps } = run;
  const canGoOn = steps === null || step < steps;
  return (
    <li>
      <span class="stored-name">{name}</span>
      <span class="quiet">
        {summary.family} {summary.nLayer}×{summary.dModel} · step {short(step)}
        {steps !== null && ` of ${short(steps)}`} · {bytes(run.bytes)} · {ago(run.savedMs)}
      </span>
      <span class="actions">
        {canGoOn && (
          <button type="button" class="button is-small" disabled={isBusy} onClick={onResume}>
            Go on
          </button>
        )}
        <a class="button is-small" href={linkTo("microscope", { model: `stored:${run.id}` })}>
          Look into
        </a>
        <a class="button is-small" href={linkTo("playground", { model: `stored:${run.id}` })}>
          Sample
        </a>
        <button type="button" class="button is-small" onClick={onExport}>
          Download
        </button>
        <button type="button" class="button is-small is-quiet" onClick={onRemove}>
          Delete
        </button>
      </span>
    </li>
  );
}
