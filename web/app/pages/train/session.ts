/** A training as the page follows it: events become columns of numbers, as charts draw them. */

import { evaluationRow, stepRow } from "../../../../src/ui/metricsColumns.ts";
import { noMetrics, type RunMetrics } from "../../data/columns.ts";
import type { EngineFailure, Inspection, Training, TrainingEvent } from "../../engine.ts";
import { Store } from "../../store.ts";

export type Phase = "preparing" | "running" | "paused" | "stopped" | "done" | "failed";

/** What is being trained. */
export type Trained = Pick<
  Extract<TrainingEvent, { kind: "model" }>,
  "summary" | "parameters" | "textTokens" | "notes"
>;

export interface SessionView {
  readonly phase: Phase;
  /** What is being prepared. */
  readonly words: string;
  readonly failure: EngineFailure | null;
  readonly step: number;
  readonly steps: number | null;
  /** Of the newest checkpoint of this session: all that a training leaves that fails. 0 without one. */
  readonly checkpointStep: number;
  readonly model: Trained | null;
  readonly routing: { readonly step: number; readonly inspection: Inspection } | null;
  /** Changes when the metrics do. */
  readonly version: number;
}

const START: SessionView = {
  ...{ phase: "preparing", words: "Loading ONNX Runtime and the text…", failure: null, step: 0, steps: null },
  checkpointStep: 0,
  ...{ model: null, routing: null, version: 0 },
};

/** The step that can be saved; 0 where there is nothing new. */
export const keepableStep = ({ phase, step, checkpointStep }: SessionView): number =>
  phase === "failed" ? checkpointStep : step;

/** Steps may come by the hundred a second: the page is drawn less often. */
const DRAW_MS = 200;

type StepEvent = Extract<TrainingEvent, { kind: "step" | "evaluation" }>;

export class TrainingSession {
  readonly training: Training;
  readonly metrics: RunMetrics = noMetrics();
  readonly view = new Store<SessionView>(START);
  /** Names in the browser's storage that are this run's: to save under them again replaces no other. */
  readonly ownNames = new Set<string>();
  #next: SessionView = START;
  #seconds = 0;
  /** Up to which step the run was saved or downloaded, as it was when it began included. */
  #keptStep = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(start: (tell: (event: TrainingEvent) => void) => Training) {
    this.training = start((event) => this.#take(event));
    window.addEventListener("beforeunload", this.#ask);
  }

  /** It was saved or downloaded, as it was at this step or after it. */
  kept(step: number): void {
    this.#keptStep = Math.max(this.#keptStep, step);
  }

  /** Ends it: what was not kept is gone. */
  leave(): void {
    this.training.close();
    clearTimeout(this.#timer);
    window.removeEventListener("beforeunload", this.#ask);
  }

  /** What was not kept would be gone with the tab, whichever page it shows. */
  readonly #ask = (event: Event): void => {
    if (this.#isUnderWay || this.hasUnkept) event.preventDefault();
  };

  /** Whether steps would be lost that could be kept. */
  get hasUnkept(): boolean {
    return keepableStep(this.#next) > this.#keptStep;
  }

  get #isUnderWay(): boolean {
    const { phase } = this.#next;
    return phase === "preparing" || phase === "running" || phase === "paused";
  }

  #take(event: TrainingEvent): void {
    if (event.kind === "step" || event.kind === "evaluation") this.#record(event);
    this.#change(this.#changeOf(event));
  }

  #changeOf(event: TrainingEvent): Partial<SessionView> {
    switch (event.kind) {
      case "preparing":
        return { words: `Learning the vocabulary: ${event.tokens} of ${event.tokensWanted} tokens…` };
      case "model":
        return { model: event };
      case "start":
        this.#keptStep = event.step;
        return { phase: "running", step: event.step, steps: event.steps };
      case "step":
      case "evaluation":
        return { step: event.step, version: this.#next.version + 1 };
      case "routing":
        return { routing: { step: event.step, inspection: event.inspection } };
      case "checkpoint":
        return { checkpointStep: event.step };
      case "failed":
        return { phase: "failed", failure: event.error };
      case "paused":
      case "stopped":
      case "done":
        return { phase: event.kind, step: event.step };
      case "resumed":
        return { phase: "running" };
      default:
        return {};
    }
  }

  #record(event: StepEvent): void {
    const record = { ...event } as unknown as Parameters<typeof stepRow>[0];
    const { steps, evaluations } = this.metrics;
    const one = (row: Readonly<Record<string, number>>) => ({
      count: 1,
      columns: Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value]])),
    });
    if (event.kind === "step") {
      const row = stepRow(record);
      this.#seconds += (row.stepMs ?? 0) / 1000;
      steps.append(one({ ...row, seconds: this.#seconds }));
      return;
    }
    const last = (name: string) => steps.column(name)?.at(-1) ?? Number.NaN;
    evaluations.append(
      one({ ...evaluationRow(record), tokens: last("tokens"), flops: last("flops"), seconds: this.#seconds }),
    );
  }

  /** A change of phase is shown at once, everything else soon. */
  #change(change: Partial<SessionView>): void {
    this.#next = { ...this.#next, ...change };
    if (change.phase !== undefined) this.#show();
    else this.#timer ??= setTimeout(() => this.#show(), DRAW_MS);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.view.set(this.#next);
  }
}
