import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { runsOf } from "../study/cells.ts";
import { type Claim, claimsOf } from "../study/claims.ts";
import { type FamilyFit, fitStudy, isBracketed } from "../study/fit.ts";
import { forwardFlopsAt } from "../study/minimum.ts";
import { valueAt } from "../study/parabola.ts";
import { planStudy } from "../study/plan.ts";
import { readResults } from "../study/results.ts";
import type { RunResult } from "../study/runResult.ts";
import { studyPaths } from "../study/studyFolder.ts";
import { readStudy } from "../study/studySchema.ts";
import { CLAIM_WORDS, estimateText, relativeText } from "../study/words.ts";
import type { StudyClaimView, StudyFitView, StudyRunView, StudySummary, StudyView } from "./api.ts";

const CURVE_POINTS = 41;

/** Names of the studies in a folder: its folders that hold a study.json. */
export function studyIds(dir: string): string[] {
  if (!existsSync(dir)) return [];
  const entries = readdirSync(dir, { withFileTypes: true });
  const isStudy = (name: string) => existsSync(path.join(dir, name, "study.json"));
  return entries.flatMap((entry) => (entry.isDirectory() && isStudy(entry.name) ? [entry.name] : [])).sort();
}

function readStudyFolder(dir: string) {
  const paths = studyPaths(dir);
  const study = readStudy(paths.study);
  const planned = planStudy(study);
  return { study, planned: planned.length, results: readResults(paths.results, planned) };
}

/** A study in a line. One that cannot be read says why in the place of its description. */
export function studySummary(dir: string): StudySummary {
  const id = path.basename(dir);
  try {
    const { study, planned, results } = readStudyFolder(dir);
    return { id, description: study.description, finished: results.length, planned };
  } catch (error) {
    return { id, description: (error as Error).message, finished: 0, planned: 0 };
  }
}

/** A study as its page shows it: runs, fits and claims, in words where the report has words. */
export function studyView(dir: string): StudyView {
  const { study, planned, results } = readStudyFolder(dir);
  const fits = fitStudy(study, results);
  return {
    ...{ id: path.basename(dir), description: study.description, planned, finished: results.length },
    fits: fits.map(fitView),
    claims: claimsOf(study, fits).map(claimView),
  };
}

function fitView(fit: FamilyFit): StudyFitView {
  const { budget, family, planned, minimum, intervals } = fit;
  return {
    ...{ budget, family, planned, runs: runsOf(fit).map(runView) },
    minimum: minimum && {
      isBracketed: isBracketed(fit),
      parameters: minimum.parameters,
      forwardFlopsPerToken: minimum.forwardFlopsPerToken,
      lossNats: minimum.lossNats,
      curve: curveOf(fit),
    },
    intervals: intervals && {
      lossNats: intervals.lossNats,
      parameters: intervals.parameters,
      forwardFlopsPerToken: intervals.forwardFlopsPerToken,
    },
  };
}

function curveOf({ sizes, minimum }: FamilyFit) {
  const [first, last] = [sizes[0]!.parameters, sizes.at(-1)!.parameters];
  return Array.from({ length: CURVE_POINTS }, (_, i) => {
    // The very ends are sizes: between them, evenly in logarithms.
    const inner = first * (last / first) ** (i / (CURVE_POINTS - 1));
    const parameters = i === 0 ? first : i === CURVE_POINTS - 1 ? last : inner;
    return {
      parameters,
      forwardFlopsPerToken: forwardFlopsAt(sizes, parameters),
      lossNats: valueAt(minimum!.overParameters, Math.log(parameters)),
    };
  });
}

const runView = (run: RunResult): StudyRunView => ({
  ...{ id: run.id, size: run.size, seed: run.seed, parameters: run.parameters, rule: run.rule },
  ...{ forwardFlopsPerToken: run.forwardFlopsPerToken, lossNats: run.lossNats, bitsPerByte: run.bitsPerByte },
  topkLossNats: run.rules.topk?.lossNats ?? null,
  ...{ steps: run.steps, tokens: run.tokens, seconds: run.seconds, curve: run.curve },
});

function claimView(claim: Claim): StudyClaimView {
  const { kind, candidate, other, budget, relative, paper, verdict, notes } = claim;
  return {
    ...{ budget, paper: paper?.words ?? "not given", verdict, notes },
    measure: CLAIM_WORDS[kind].measure(candidate, other),
    value: estimateText(claim),
    relative: relativeText(relative),
  };
}
