/** What the local server tells by itself: the list of runs, and the metrics of those that are looked at. */
import type { Cursor, NewRows, RunSummary, StreamEvents } from "../../../src/ui/api.ts";
import { decodeTables } from "../../../src/ui/tableCodec.ts";
import { Store } from "../store.ts";
import { GrowingColumns, type RunMetrics } from "./columns.ts";
import { ask, runPath } from "./server.ts";

export type Connection = "connecting" | "open" | "lost";

/** A run whose metrics are there, or on their way; `version` changes with every row. */
export interface Watched {
  readonly metrics: RunMetrics | null;
  readonly problem: string | null;
  readonly version: number;
}

/** The browser takes up a connection that broke, and says where it was. One that was refused is made anew after so long. */
const RETRY_MS = 1500;

class Live {
  readonly runs = new Store<readonly RunSummary[] | null>(null);
  /** Why the server cannot list the runs. */
  readonly problem = new Store<string | null>(null);
  readonly connection = new Store<Connection>("connecting");
  readonly watched = new Store<ReadonlyMap<string, Watched>>(new Map());
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #version = 0;

  /** Which runs' metrics are wanted. */
  watch(ids: readonly string[]): void {
    const known = this.watched.value;
    const same = ids.length === known.size && ids.every((id) => known.has(id));
    if (same && this.#source !== undefined) return;
    const next = new Map(ids.map((id) => [id, known.get(id) ?? { metrics: null, problem: null, version: 0 }]));
    this.watched.set(next);
    void this.#load(ids.filter((id) => !known.has(id)));
    this.#connect();
  }

  /** Everything that is missing is fetched, then followed. */
  async #load(ids: readonly string[]): Promise<void> {
    const areLoaded = await Promise.all(ids.map((id) => this.#loadRun(id)));
    // Where nothing came there is no more to follow than before; a new connection would only tell all runs again.
    if (areLoaded.includes(true)) this.#connect();
  }

  async #loadRun(id: string): Promise<boolean> {
    try {
      const bytes = await (await ask(runPath(id, "metrics"))).arrayBuffer();
      const { meta, tables } = decodeTables<{ readonly cursor: Cursor }>(bytes);
      const table = (name: string) => new GrowingColumns(tables[name]!.count, tables[name]!.columns);
      this.#put(id, { steps: table("steps"), evaluations: table("evaluations"), cursor: meta.cursor }, null);
      return true;
    } catch (error) {
      this.#put(id, null, (error as Error).message);
      return false;
    }
  }

  #put(id: string, metrics: RunMetrics | null, problem: string | null): void {
    if (!this.watched.value.has(id)) return;
    this.watched.set(new Map(this.watched.value).set(id, { metrics, problem, version: ++this.#version }));
  }

  #connect(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource(`api/events?watch=${encodeURIComponent(JSON.stringify(this.#cursors()))}`);
    this.#source = source;
    source.addEventListener("open", () => this.connection.set("open"));
    source.addEventListener("runs", (event) => this.#takeRuns(JSON.parse(event.data)));
    source.addEventListener("problem", (event) => this.problem.set(JSON.parse(event.data).message));
    source.addEventListener("rows", (event) => this.#takeRows(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      this.connection.set("lost");
      if (source.readyState !== EventSource.CLOSED) return;
      this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
    });
  }

  #cursors(): Record<string, Cursor> {
    const loaded = [...this.watched.value].flatMap(([id, { metrics }]) =>
      metrics === null ? [] : [[id, metrics.cursor] as const],
    );
    return Object.fromEntries(loaded);
  }

  #takeRuns({ changed, gone, isAll }: StreamEvents["runs"]): void {
    const left = isAll ? [] : (this.runs.value ?? []).filter(({ id }) => !gone.includes(id));
    const runs = new Map(left.map((run) => [run.id, run]));
    for (const run of changed) runs.set(run.id, run);
    this.runs.set([...runs.values()]);
    this.problem.set(null);
    this.#loadWhatCameBack();
  }

  /** A run whose metrics could not be read is tried again when the server tells of it. */
  #loadWhatCameBack(): void {
    const failed = [...this.watched.value].filter(([, { problem }]) => problem !== null).map(([id]) => id);
    const known = new Set(this.runs.value?.map(({ id }) => id));
    const back = failed.filter((id) => known.has(id));
    void this.#load(back);
  }

  #takeRows({ id, cursor, isReset, steps, evaluations }: NewRows): void {
    const metrics = this.watched.value.get(id)?.metrics;
    if (metrics === undefined || metrics === null) return;
    if (isReset) {
      void this.#load([id]);
      return;
    }
    // Rows of a connection that was replaced meanwhile would be there twice.
    if (cursor.steps - steps.count !== metrics.cursor.steps) return;
    metrics.steps.append(steps);
    metrics.evaluations.append(evaluations);
    metrics.cursor = cursor;
    this.#put(id, metrics, null);
  }
}

export const live = new Live();
