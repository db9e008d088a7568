import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { writeFileAtomic } from "../files/atomic.ts";
import { svgToPng } from "../render/png.ts";
import { type Claim, claimsOf } from "./claims.ts";
import { minimaCsv, runsCsv } from "./csv.ts";
import { FIGURE_NAMES, figuresOf } from "./figures.ts";
import { type FamilyFit, fitStudy } from "./fit.ts";
import { type FamilyPowerLaw, powerLawsOf } from "./powerLaw.ts";
import { reportHtml } from "./reportHtml.ts";
import type { RunResult } from "./runResult.ts";
import type { Study } from "./studySchema.ts";

export interface ReportOptions {
  /** Runs that the study has, finished or not. */
  readonly planned: number;
  /** What to type to make the study and its report again. */
  readonly commands: readonly string[];
}

/** What was found, and where it was written. */
export interface WrittenReport {
  readonly files: readonly string[];
  readonly minima: readonly Pick<FamilyFit, "budget" | "family" | "minimum" | "intervals">[];
  readonly claims: readonly Claim[];
  readonly powerLaws: readonly FamilyPowerLaw[];
}

/**
 * Fits what is there of a study and writes a page, tables and figures into `dir`, which is made if need be.
 *
 * @param results any may be missing
 */
export async function writeReport(
  dir: string,
  study: Study,
  results: readonly RunResult[],
  { planned, commands }: ReportOptions,
): Promise<WrittenReport> {
  const fits = fitStudy(study, results);
  const [claims, powerLaws, figures] = [claimsOf(study, fits), powerLawsOf(fits), figuresOf(study, fits)];
  const { description } = study;
  const files = new Map<string, string | Uint8Array>([
    ["report.html", reportHtml({ description, planned, fits, claims, powerLaws, figures, commands })],
    ["runs.csv", runsCsv(results)],
    ["minima.csv", minimaCsv(fits)],
  ]);
  for (const { name, svg } of figures) {
    files.set(`${name}.svg`, svg);
    files.set(`${name}.png`, await svgToPng(svg));
  }
  mkdirSync(dir, { recursive: true });
  for (const [name, data] of files) writeFileAtomic(path.join(dir, name), data);
  removeOldFigures(dir, files);
  const minima = fits.map(({ budget, family, minimum, intervals }) => ({ budget, family, minimum, intervals }));
  return { files: [...files.keys()].map((name) => path.join(dir, name)), minima, claims, powerLaws };
}

/** Those of results that are no longer there. */
function removeOldFigures(dir: string, written: ReadonlyMap<string, unknown>): void {
  const names = FIGURE_NAMES.flatMap((name) => [`${name}.svg`, `${name}.png`]);
  for (const name of names.filter((each) => !written.has(each))) rmSync(path.join(dir, name), { force: true });
}
