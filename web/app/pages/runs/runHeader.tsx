import { useEffect, useState } from "preact/hooks";
import type { RunSummary } from "../../../../src/ui/api.ts";
import { resumeRun, stopRun } from "../../data/server.ts";
import { fixed, percent, short } from "../../format.ts";
import { useLook } from "../../theme.ts";
import { Figure, Figures, Notice } from "../../ui/controls.tsx";
import { seriesColor } from "../../ui/palette.ts";
import { linkTo } from "../../url.ts";
import { StateMark } from "./runList.tsx";

/** What is known of the selected: one run in full, several beside each other. */
export const RunHeader = ({ runs }: { runs: readonly RunSummary[] }) =>
  runs.length === 1 ? <OneRun key={runs[0]!.id} run={runs[0]!} /> : <Comparison runs={runs} />;

function OneRun({ run }: { run: RunSummary }) {
  const { validation, model } = run;
  return (
    <header class="run-header">
      <div class="run-title">
        <h2>{run.id}</h2>
        <StateMark run={run} />
        <RunActions run={run} />
      </div>
      {run.problem !== null && <Notice kind={run.state === "starting" ? "note" : "problem"}>{run.problem}</Notice>}
      {model !== null && (
        <Figures>
          <Figure
            label="step"
            value={run.steps === null ? short(run.step) : `${short(run.step)} / ${short(run.steps)}`}
          />
          <Figure
            label={`validation loss, ${model.rule ?? "topk"}`}
            title="nats a token, under the rule that the model samples with"
            value={fixed(validation?.lossNats, 4)}
          />
          <Figure label="bits per byte" value={fixed(validation?.bitsPerByte, 4)} />
          <Figure label="training loss" value={fixed(run.lossNats, 4)} />
          {model.capacityRatio !== null && (
            <Figure
              label="decisions as top-k"
              title="of the causal rule, at the last evaluation"
              value={percent(run.accuracy)}
            />
          )}
          <Figure label="tokens a second" value={short(run.tokensPerSecond)} />
          <Figure label="training tokens" value={short(run.tokens)} />
          <Figure label="training FLOPs" value={short(run.flops)} />
        </Figures>
      )}
    </header>
  );
}

function RunActions({ run }: { run: RunSummary }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [asked, setAsked] = useState<"stop" | "resume" | null>(null);
  const isAtWork = run.state === "running" || run.state === "starting";
  // What was asked for has come to pass.
  useEffect(() => setAsked(null), [isAtWork]);
  const act = async (what: "stop" | "resume") => {
    setAsked(what);
    setProblem(null);
    try {
      await (what === "stop" ? stopRun : resumeRun)(run.id);
    } catch (error) {
      setAsked(null);
      setProblem((error as Error).message);
    }
    // A start that fails at once may change nothing that the list tells; a stop takes as long as its step.
    setTimeout(() => setAsked((now) => (now === "resume" ? null : now)), 3000);
  };
  const canResume = run.state === "stopped" || run.state === "new";
  return (
    <div class="actions">
      {isAtWork && (
        <button type="button" class="button" disabled={asked !== null} onClick={() => act("stop")}>
          {asked !== null ? "Saving…" : "Stop and save"}
        </button>
      )}
      {canResume && (
        <button type="button" class="button" disabled={asked !== null} onClick={() => act("resume")}>
          {asked !== null ? "Starting…" : "Resume"}
        </button>
      )}
      {run.model !== null && run.step !== null && (
        <>
          <a class="button" href={linkTo("microscope", { model: run.id })}>
            Look into
          </a>
          <a class="button" href={linkTo("playground", { model: run.id })}>
            Sample
          </a>
        </>
      )}
      {problem !== null && <Notice kind="problem">{problem}</Notice>}
    </div>
  );
}

function Comparison({ runs }: { runs: readonly RunSummary[] }) {
  const look = useLook();
  return (
    <header class="run-header">
      <div class="run-title">
        <h2>{runs.length} runs</h2>
      </div>
      <div class="wide" tabIndex={0} role="group" aria-label="Comparison of the selected runs">
        <table>
          <thead>
            <tr>
              {["run", "state", "model", "capacity", "step", "validation", "bits/byte", "as top-k", "tokens/s"].map(
                (name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {runs.map((run, i) => (
              <tr key={run.id}>
                <th scope="row">
                  <span class="swatch" style={{ background: seriesColor(i, look) }} />
                  {run.id}
                </th>
                <td>{run.state}</td>
                <td>{run.model === null ? "–" : `${run.model.family} ${run.model.nLayer}×${run.model.dModel}`}</td>
                <td>{percent(run.model?.capacityRatio)}</td>
                <td>{short(run.step)}</td>
                <td>{fixed(run.validation?.lossNats, 4)}</td>
                <td>{fixed(run.validation?.bitsPerByte, 4)}</td>
                <td>{percent(run.accuracy)}</td>
                <td>{short(run.tokensPerSecond)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </header>
  );
}
