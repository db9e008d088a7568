import type { PreparedData } from "../data/openData.ts";
import { failures, type LedgerEntry, readLedger } from "../study/ledger.ts";
import { type CountedRun, type PlannedRun, planStudy } from "../study/plan.ts";
import { hasResult, readResults } from "../study/results.ts";
import type { RunResult } from "../study/runResult.ts";
import { type StudyPaths, studyPaths } from "../study/studyFolder.ts";
import { readStudy, type Study } from "../study/studySchema.ts";
import type { Output } from "./output.ts";
import { dataFor } from "./runTraining.ts";

/** A study as it stands. */
export interface OpenStudy {
  readonly paths: StudyPaths;
  readonly study: Study;
  readonly planned: readonly PlannedRun[];
  readonly results: readonly RunResult[];
  /** Failures that no later attempt made good, by their runs' ids. */
  readonly failed: ReadonlyMap<string, LedgerEntry>;
}

/** @param place a study's folder, or its study.json */
export function openStudyFolder(place: string): OpenStudy {
  const paths = studyPaths(place);
  const study = readStudy(paths.study);
  const planned = planStudy(study);
  const results = readResults(paths.results, planned);
  return { paths, study, planned, results, failed: failures(readLedger(paths.ledger)) };
}

/** The same with its text, prepared if need be. All runs of a study share it. */
export async function openStudy(place: string, output: Output): Promise<OpenStudy & { readonly data: PreparedData }> {
  const open = openStudyFolder(place);
  return { ...open, data: await dataFor(open.planned[0]!.config, output) };
}

export type RunState = "done" | "failed" | "to do";

export const stateOf = (id: string, paths: StudyPaths, failed: ReadonlyMap<string, unknown>): RunState =>
  hasResult(paths.results, id) ? "done" : failed.has(id) ? "failed" : "to do";

/** FLOPs a second of one thread on a run of which nothing is known: what this package's small models reach. */
const GUESSED_RATE = 50e9;

/** Time of a run on one thread, by the finished runs of its size, or of any. */
export function estimateSeconds({ size, flops }: CountedRun, results: readonly RunResult[]): number {
  const alike = results.filter((result) => result.size === size);
  const known = alike.length > 0 ? alike : results;
  const rates = known.map((result) => result.flops / result.seconds / result.threads).sort((a, b) => a - b);
  return flops / (rates[Math.floor(rates.length / 2)] ?? GUESSED_RATE);
}
