import { listStudies, readStudy } from "../../data/server.ts";
import { useAsync } from "../../data/useAsync.ts";
import { Notice, SelectField } from "../../ui/controls.tsx";
import { setParams, useParam } from "../../url.ts";
import { StudyReport } from "./report.tsx";

export function StudiesPage() {
  const studies = useAsync(listStudies, []);
  const [wanted] = useParam("study");
  if (studies.state === "waiting") return <p class="quiet">Reading the studies…</p>;
  if (studies.state === "failed") return <Notice kind="problem">{studies.message}</Notice>;
  if (studies.value.length === 0) {
    return (
      <>
        <h1>Studies</h1>
        <Notice>
          There is no folder of studies here. <code>mod ui --studies DIR</code> names one; docs/STUDIES.md says how to
          make one.
        </Notice>
      </>
    );
  }
  const first = studies.value.reduce((a, b) => (b.finished / (b.planned || 1) > a.finished / (a.planned || 1) ? b : a));
  const chosen =
    studies.value.find(({ id }) => id === wanted) ?? studies.value.find(({ id }) => id === "isoflop") ?? first;
  return (
    <>
      <div class="page-head">
        <h1>Studies</h1>
        <SelectField
          label="Study"
          value={chosen.id}
          options={studies.value.map(({ id, finished, planned }) => ({
            value: id,
            text: `${id} (${finished} of ${planned} runs)`,
          }))}
          // A budget and a stretch of one study's curves are none of another's.
          onChange={(study) => setParams({ study, budget: "", zoom: "" })}
        />
      </div>
      <p class="lead">{chosen.description}</p>
      <ChosenStudy key={chosen.id} id={chosen.id} />
    </>
  );
}

function ChosenStudy({ id }: { id: string }) {
  const study = useAsync(() => readStudy(id), [id]);
  if (study.state === "waiting") return <p class="quiet">Fitting…</p>;
  if (study.state === "failed") return <Notice kind="problem">{study.message}</Notice>;
  return <StudyReport study={study.value} />;
}
