import { groupBy } from "./groupBy.ts";
import type { RunResult } from "./runResult.ts";
import { mean } from "./statistics.ts";
import type { Study } from "./studySchema.ts";

/** The runs of one size of a family at one budget: they differ by their seeds. */
export interface SizeRuns {
  readonly size: string;
  readonly parameters: number;
  readonly forwardFlopsPerToken: number;
  readonly runs: readonly RunResult[];
  /** Headline loss, mean over seeds, nats a token. */
  readonly lossNats: number;
}

/** A family at a budget. */
export interface Cell {
  readonly budget: number;
  readonly family: string;
  /** Ascending in parameters; none where nothing has been run yet. */
  readonly sizes: readonly SizeRuns[];
  /** Runs that the study has for it. */
  readonly planned: number;
}

/** A cell for each budget and family of the study's grid, budgets ascending, families in the study's order. */
export function cellsOf(study: Study, results: readonly RunResult[]): Cell[] {
  const budgets = [...new Set(study.grid.flatMap((block) => block.budgets))].sort((a, b) => a - b);
  return budgets.flatMap((budget) =>
    Object.keys(study.families).flatMap((family) => {
      const planned = plannedRuns(study, budget, family);
      const runs = results.filter((result) => result.budget === budget && result.family === family);
      return planned === 0 ? [] : [{ budget, family, sizes: sizesOf(runs), planned }];
    }),
  );
}

export const runsOf = ({ sizes }: Cell): RunResult[] => sizes.flatMap(({ runs }) => runs);

function plannedRuns({ grid }: Study, budget: number, family: string): number {
  const blocks = grid.filter(({ budgets, families }) => budgets.includes(budget) && families.includes(family));
  const runs = blocks.flatMap(({ sizes, seeds }) => sizes.flatMap((size) => seeds.map((seed) => `${size}/${seed}`)));
  return new Set(runs).size;
}

function sizesOf(results: readonly RunResult[]): SizeRuns[] {
  const bySize = groupBy(results, ({ size }) => size);
  return [...bySize]
    .map(([size, runs]) => {
      const { parameters, forwardFlopsPerToken } = runs[0]!;
      return { size, parameters, forwardFlopsPerToken, runs, lossNats: mean(runs.map((run) => run.lossNats)) };
    })
    .sort((a, b) => a.parameters - b.parameters);
}
