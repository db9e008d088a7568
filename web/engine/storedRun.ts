import { horizonSteps, type ModelConfig, resolveConfig, stepOfName } from "../../src/browser.ts";
import { modelSummary } from "../../src/ui/modelSummary.ts";
import type { StoredRun } from "./protocol.ts";

/** What a list tells of a run folder, without reading its weights: by the paths of its files, and its configuration. */
export function describeRun(
  paths: readonly string[],
  configJson: string | undefined,
): Pick<StoredRun, "step" | "plan"> {
  const steps = paths.map((path) => stepOfName(/^checkpoints\/([^/]+)\/checkpoint\.json$/.exec(path)?.[1] ?? "") ?? 0);
  return { step: Math.max(0, ...steps), plan: planOf(configJson) };
}

function planOf(configJson: string | undefined): StoredRun["plan"] {
  try {
    const { model, train } = resolveConfig(JSON.parse(configJson ?? ""));
    const { horizon } = train;
    return {
      model: modelSummary(model),
      steps: horizon.kind === "epochs" ? null : horizonSteps(horizon, model as ModelConfig, train, 0),
    };
  } catch {
    // A list shows what is there; opening the run says what is wrong with it.
    return null;
  }
}
