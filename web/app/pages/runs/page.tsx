import { useEffect, useRef, useState } from "preact/hooks";
import type { RunSummary } from "../../../../src/ui/api.ts";
import { live } from "../../data/live.ts";
import { serverInfo } from "../../data/server.ts";
import { useAsync } from "../../data/useAsync.ts";
import { useStore } from "../../store.ts";
import { Notice } from "../../ui/controls.tsx";
import { isLocal, listOf, listText, useParam } from "../../url.ts";
import { NewRunDialog } from "./newRun.tsx";
import { RunCharts } from "./runCharts.tsx";
import { RunHeader } from "./runHeader.tsx";
import { RunList } from "./runList.tsx";

/** More curves than this in one chart tell nothing. */
export const MOST_SELECTED = 12;

export function RunsPage() {
  if (!isLocal()) {
    return (
      <Notice>
        Local runs are shown by the server on your own machine: <code>npx mod ui</code>. This site has no server.
      </Notice>
    );
  }
  return <LocalRuns />;
}

function LocalRuns() {
  const runs = useStore(live.runs);
  const problem = useStore(live.problem);
  const info = useAsync(serverInfo, []);
  const [select, setSelect] = useParam("select");
  const [isAsking, setAsking] = useState(false);
  // Of two runs that train the newest is now one, now the other: what is shown stays until another is chosen.
  const shown = useRef<readonly string[]>([]);
  const chosen = selectedRuns(runs ?? [], [listOf(select), shown.current]);
  shown.current = chosen.map(({ id }) => id);
  // A run on its way has no metrics to ask for.
  const ids = listText(chosen.flatMap(({ id, model }) => (model === null ? [] : [id])));
  useEffect(() => live.watch(listOf(ids)), [ids]);
  useEffect(() => () => live.watch([]), []);
  const notice = problem !== null && <Notice kind="problem">{problem}</Notice>;
  if (runs === null) return notice || <p class="quiet">Reading the runs…</p>;
  const presets = info.state === "done" ? info.value.presets : [];
  return (
    <>
      {notice}
      {info.state === "done" && !info.value.isAllowed && (
        <Notice>
          This page was opened without its token: it shows, but starts and stops nothing. Open the address that{" "}
          <code>mod ui</code> printed.
        </Notice>
      )}
      <div class="runs">
        <RunList
          runs={runs}
          selected={chosen.map(({ id }) => id)}
          onSelect={(next) => setSelect(listText(next.slice(-MOST_SELECTED)))}
          onNew={() => setAsking(true)}
        />
        <section class="run-detail" aria-label="Selected runs">
          {chosen.length === 0 ? <NoRuns /> : <RunHeader runs={chosen} />}
          {chosen.length > 0 && <RunCharts runs={chosen} />}
        </section>
      </div>
      {isAsking && (
        <NewRunDialog
          presets={presets}
          runs={runs}
          onClose={() => setAsking(false)}
          onStarted={(id) => setSelect(listText([id]))}
        />
      )}
    </>
  );
}

/** Those of the first list that names any that are there, as many as may be compared; without any, the one that changed last. */
function selectedRuns(runs: readonly RunSummary[], lists: readonly (readonly string[])[]): RunSummary[] {
  for (const ids of lists) {
    const named = [...new Set(ids)].flatMap((id) => runs.find((run) => run.id === id) ?? []);
    if (named.length > 0) return named.slice(0, MOST_SELECTED);
  }
  return runs.length === 0 ? [] : [runs.reduce((a, b) => (b.changedMs > a.changedMs ? b : a))];
}

const NoRuns = () => (
  <div class="empty">
    <h1>No runs yet</h1>
    <p>
      Start one here with <em>New run</em>, or in a terminal: <code>npx mod train --preset tiny</code>. It appears by
      itself.
    </p>
  </div>
);
