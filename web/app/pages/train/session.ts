/** A training as the page follows it: events become columns of numbers, as charts draw them. */

import type { ModelSummary } from "../../../../src/ui/api.ts";
import { evaluationRow, stepRow } from "../../../../src/ui/metricsColumns.ts";
import { noMetrics, type RunMetrics } from "../../data/columns.ts";
import type { Inspection, Training, TrainingEvent } from "../../engine.ts";
import { Store } from "../../store.ts";

export type Phase = "preparing" | "running" | "paused" | "stopped" | "done" | "failed";

export interface SessionView {
  readonly phase: Phase;
  /** What is being prepared, or what is wrong. */
  readonly words: string | null;
  readonly step: number;
  readonly steps: number | null;
  readonly summary: ModelSummary | null;
  readonly routing: { readonly step: number; readonly inspection: Inspection } | null;
  /** Changes when the metrics do. */
  readonly version: number;
}

const START: SessionView = {
  ...{ phase: "preparing", words: null, step: 0, steps: null },
  ...{ summary: null, routing: null, version: 0 },
};

/** Steps may come by the hundred a second: the page is drawn less often. */
const DRAW_MS = 100;

type StepEvent = Extract<TrainingEvent, { kind: "step" | "evaluation" }>;

export class TrainingSession {
  readonly training: Training;
  readonly metrics: RunMetrics = noMetrics();
  readonly view = new Store<SessionView>(START);
  #next: SessionView = START;
  #seconds = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #unsubscribe: () => void;

  constructor(training: Training) {
    this.training = training;
    this.#unsubscribe = training.subscribe((event) => this.#take(event));
  }

  /** Follows it no more. */
  leave(): void {
    this.#unsubscribe();
    clearTimeout(this.#timer);
  }

  #take(event: TrainingEvent): void {
    if (event.kind === "step" || event.kind === "evaluation") this.#record(event);
    this.#change(this.#changeOf(event));
  }

  #changeOf(event: TrainingEvent): Partial<SessionView> {
    switch (event.kind) {
      case "start":
        return { phase: "running", words: null, step: event.step, steps: event.steps, summary: event.summary };
      case "preparing":
        return { phase: "preparing", words: event.what };
      case "step":
      case "evaluation":
        return { step: event.step, version: this.#next.version + 1 };
      case "routing":
        return { routing: { step: event.step, inspection: event.inspection } };
      case "error":
        return { phase: "failed", words: event.message };
      default:
        return { phase: event.kind === "resumed" ? "running" : event.kind, words: null, step: event.step };
    }
  }

  #record({ kind, step, record }: StepEvent): void {
    const full = { ...record, step } as Parameters<typeof stepRow>[0];
    const { steps, evaluations } = this.metrics;
    const one = (row: Readonly<Record<string, number>>) => ({
      count: 1,
      columns: Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value]])),
    });
    if (kind === "step") {
      const row = stepRow(full);
      this.#seconds += (row.stepMs ?? 0) / 1000;
      steps.append(one({ ...row, seconds: this.#seconds }));
      return;
    }
    const last = (name: string) => steps.column(name)?.at(-1) ?? Number.NaN;
    evaluations.append(
      one({ ...evaluationRow(full), tokens: last("tokens"), flops: last("flops"), seconds: this.#seconds }),
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
