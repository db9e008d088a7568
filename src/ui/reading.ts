import { runPaths } from "../run/runFolder.ts";
import type { Cursor, NewRows, RunSummary, StudySummary, StudyView } from "./api.ts";
import { MetricsFile } from "./metricsFile.ts";
import { fingerprint, summarise } from "./runSummary.ts";
import { isPlainFile, RunsFolder } from "./runsFolder.ts";
import { studyIds, studySummary, studyView } from "./studyView.ts";
import { jsonColumns } from "./table.ts";
import { encodeTables } from "./tableCodec.ts";

export interface ReadingData {
  readonly runs: string;
  readonly studies: string | null;
}

/** Tables that are kept for the next reading. */
const KEPT_FILES = 24;

/**
 * All reading of run folders and studies. It lives on a thread of its own (`readingWorker.ts`): a list of 1,000 runs, a metrics
 * file of 100,000 lines or a bootstrap take longer than a server may keep its other readers waiting.
 */
export class Reading {
  readonly #folder: RunsFolder;
  readonly #studies: string | null;
  readonly #summaries = new Map<string, { readonly fingerprint: string; readonly summary: RunSummary }>();
  /** Used last comes last. */
  readonly #files = new Map<string, MetricsFile>();

  constructor({ runs, studies }: ReadingData) {
    this.#folder = new RunsFolder(runs);
    this.#studies = studies;
  }

  /** All runs; those whose files did not change are not read again. */
  async list(): Promise<RunSummary[]> {
    const ids = this.#folder.ids();
    const gone = new Set(this.#summaries.keys());
    const summaries = ids.flatMap((id) => {
      gone.delete(id);
      const dir = this.#folder.resolve(id);
      return dir === null ? [] : [this.#summaryOf(id, dir)];
    });
    for (const id of gone) this.#summaries.delete(id);
    return summaries;
  }

  /** All metrics of a run, as bytes of `tableCodec.ts`; null if there is no such run. */
  async metrics(id: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const file = this.#metricsOf(id);
    if (file === null) return null;
    const { cursor, steps, evaluations } = file;
    return encodeTables({ cursor }, { steps: steps.view(), evaluations: evaluations.view() });
  }

  /** What came since a cursor; null if that is nothing. */
  async rowsSince(id: string, cursor: Cursor): Promise<NewRows | null> {
    const file = this.#metricsOf(id);
    if (file === null) return null;
    const now = file.cursor;
    const isReset = now.file !== cursor.file || now.steps < cursor.steps || now.evaluations < cursor.evaluations;
    if (!isReset && now.steps === cursor.steps && now.evaluations === cursor.evaluations) return null;
    // The page reads a replaced file as a whole.
    const from = isReset ? now : cursor;
    return {
      ...{ id, cursor: now, isReset },
      steps: jsonColumns(file.steps.view(from.steps)),
      evaluations: jsonColumns(file.evaluations.view(from.evaluations)),
    };
  }

  async studies(): Promise<StudySummary[]> {
    return this.#studies === null ? [] : studyIds(this.#studies).map((id) => studySummary(`${this.#studies}/${id}`));
  }

  /** null if there is no such study */
  async study(id: string): Promise<StudyView | null> {
    if (this.#studies === null || !studyIds(this.#studies).includes(id)) return null;
    return studyView(`${this.#studies}/${id}`);
  }

  #summaryOf(id: string, dir: string): RunSummary {
    const now = fingerprint(dir);
    const known = this.#summaries.get(id);
    if (known?.fingerprint === now) return known.summary;
    const summary = summarise(id, dir);
    this.#summaries.set(id, { fingerprint: now, summary });
    return summary;
  }

  #metricsOf(id: string): MetricsFile | null {
    const dir = this.#folder.resolve(id);
    if (dir === null) return null;
    const file = this.#files.get(id) ?? new MetricsFile(runPaths(dir).metrics);
    this.#files.delete(id);
    this.#files.set(id, file);
    if (this.#files.size > KEPT_FILES) this.#files.delete(this.#files.keys().next().value!);
    if (isPlainFile(runPaths(dir).metrics)) file.refresh();
    return file;
  }
}
