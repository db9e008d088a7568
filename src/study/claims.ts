import { type Cell, runsOf } from "./cells.ts";
import { type Estimate, estimate, type FamilyFit, isBracketed } from "./fit.ts";
import { bestOf, fewestParametersFor, forwardFlopsAt, lossAtForwardFlops, type Minimum } from "./minimum.ts";
import { type PaperClaim, paperClaim } from "./paperClaims.ts";
import { mean } from "./statistics.ts";
import type { Study } from "./studySchema.ts";

/**
 * What a candidate is asked at each budget. Minima are compared, each family at its own: models of the same shape say nothing, since
 * at a fixed budget whatever is cheaper takes more steps.
 *
 * - `loss`                 its minimum's loss less the baseline's, nats a token
 * - `forwardFlops`         forward FLOPs per token of the smallest candidate as good as the baseline's minimum, over the baseline optimum's
 * - `parameters`           parameters of its optimum over those of the baseline's
 * - `control`              its minimum's loss less a control's
 * - `causal`               loss under the causal rule less that under top-k, mean over its runs
 * - `optimumForwardFlops`  forward FLOPs per token of its optimum over those of the baseline's
 * - `equalForwardFlops`    its minimum's loss less that of the baseline with as many forward FLOPs per token
 */
export const CLAIM_KINDS = [
  "loss",
  "forwardFlops",
  "parameters",
  "control",
  "causal",
  "optimumForwardFlops",
  "equalForwardFlops",
] as const;
export type ClaimKind = (typeof CLAIM_KINDS)[number];

/** Of the paper's claim, by the 95 % interval; `shown`: it compares no such models, or gives nothing that could be judged. */
export type Verdict = "supported" | "contradicted" | "open" | "not measured" | "shown";

export interface Claim {
  readonly kind: ClaimKind;
  readonly candidate: string;
  /** The family it is compared with: baseline, control, or, for `causal`, itself. */
  readonly other: string;
  readonly budget: number;
  /** A difference in nats a token, or a ratio; Infinity: no candidate is as good. */
  readonly estimate: Estimate | null;
  /** A difference as a share of the other's loss. */
  readonly relative: Estimate | null;
  /** null: the paper says nothing of it. */
  readonly paper: PaperClaim | null;
  readonly verdict: Verdict;
  /** What to know about the numbers. */
  readonly notes: readonly string[];
}

/** A pair of fits at one budget. */
interface Pair {
  readonly candidate: FamilyFit;
  readonly other: FamilyFit;
}

/** How a pair is compared. */
interface Comparison {
  /** null: undefined. */
  readonly of: (candidate: Minimum, other: Minimum, pair: Pair) => number | null;
  /** Whether the other's loss is what `of` is a share of. */
  readonly isDifference: boolean;
  /** Whose minima must be bracketed. A size that was not run can only be better than the best that was, so not all need be. */
  readonly supportNeeds: readonly (keyof Pair)[];
  readonly contradictionNeeds: readonly (keyof Pair)[];
}

const LOSS: Comparison = {
  of: (candidate, other) => candidate.lossNats - other.lossNats,
  isDifference: true,
  supportNeeds: ["other"],
  contradictionNeeds: ["candidate"],
};

const COMPARISONS: Readonly<Record<Exclude<ClaimKind, "causal">, Comparison>> = {
  loss: LOSS,
  control: LOSS,
  forwardFlops: {
    of: (candidate, other, pair) => smallestAsGood(candidate, other, pair) / other.forwardFlopsPerToken,
    isDifference: false,
    supportNeeds: ["other"],
    contradictionNeeds: ["candidate", "other"],
  },
  parameters: {
    of: (candidate, other) => candidate.parameters / other.parameters,
    isDifference: false,
    supportNeeds: ["candidate", "other"],
    contradictionNeeds: ["candidate", "other"],
  },
  optimumForwardFlops: {
    of: (candidate, other) => candidate.forwardFlopsPerToken / other.forwardFlopsPerToken,
    isDifference: false,
    supportNeeds: [],
    contradictionNeeds: [],
  },
  equalForwardFlops: {
    of: (candidate, other, pair) => {
      const loss = lossAtForwardFlops(candidate.forwardFlopsPerToken, other, pair.other.sizes);
      return loss === null ? null : candidate.lossNats - loss;
    },
    isDifference: true,
    supportNeeds: [],
    contradictionNeeds: [],
  },
};

/**
 * The table of claims: for each candidate of `study.compare` every kind at every budget that the study has both families at. Empty if
 * it compares nothing.
 */
export function claimsOf(study: Study, fits: readonly FamilyFit[]): Claim[] {
  if (study.compare === undefined) return [];
  const { baseline, candidates, controls } = study.compare;
  const budgets = [...new Set(fits.map(({ budget }) => budget))];
  const fitOf = (family: string, budget: number) => fits.find((fit) => fit.family === family && fit.budget === budget);
  const others = (kind: ClaimKind, family: string) =>
    kind === "control" ? controls : [kind === "causal" ? family : baseline];
  return candidates.flatMap((family) =>
    CLAIM_KINDS.flatMap((kind) =>
      others(kind, family).flatMap((name) =>
        budgets.flatMap((budget) => {
          const [candidate, other] = [fitOf(family, budget), fitOf(name, budget)];
          if (candidate === undefined || other === undefined) return [];
          const paper = paperClaim(study, kind, family, name);
          return [kind === "causal" ? causalClaim(candidate, paper) : compare(kind, { candidate, other }, paper)];
        }),
      ),
    ),
  );
}

function compare(kind: Exclude<ClaimKind, "causal">, pair: Pair, paper: PaperClaim | null): Claim {
  const comparison = COMPARISONS[kind];
  const { candidate, other } = pair;
  const fits = [candidate, other];
  const found = estimate(fits, ([c, o]) => comparison.of(c!, o!, pair));
  // The other's loss is the candidate's less the difference.
  const share = ([c, o]: readonly Minimum[]) => {
    const difference = comparison.of(c!, o!, pair);
    return difference === null ? null : difference / (c!.lossNats - difference);
  };
  return {
    ...{ kind, candidate: candidate.family, other: other.family, budget: candidate.budget, estimate: found },
    relative: comparison.isDifference ? estimate(fits, share) : null,
    paper,
    verdict: verdictOf(comparison, paper, pair, found),
    notes: [...fits.flatMap(notesOf), ...pairNotes(kind, pair, found)],
  };
}

function verdictOf(needs: Comparison, paper: PaperClaim | null, pair: Pair, found: Estimate | null): Verdict {
  if (found === null) return "not measured";
  if (!paper?.judged) return "shown";
  if (found.interval === null || [pair.candidate, pair.other].some(isJudgedByTopk)) return "open";
  const { low, high } = found.interval;
  const hold = (roles: readonly (keyof Pair)[]) => roles.every((role) => isBracketed(pair[role]));
  const { is, than } = paper.judged;
  const [isBelow, isAbove] = [high < than, low > than];
  const [agrees, disagrees] = is === "below" ? [isBelow, isAbove] : [isAbove, isBelow];
  if (agrees && hold(needs.supportNeeds)) return "supported";
  return disagrees && hold(needs.contradictionNeeds) ? "contradicted" : "open";
}

/** Forward FLOPs per token of the smallest candidate whose fitted loss is not above the other's minimum; Infinity: none. */
function smallestAsGood(candidate: Minimum, other: Minimum, { candidate: { sizes } }: Pair): number {
  const parameters = fewestParametersFor(other.lossNats, candidate, sizes);
  return parameters === null ? Number.POSITIVE_INFINITY : forwardFlopsAt(sizes, parameters);
}

const isJudgedByTopk = (cell: Cell): boolean => runsOf(cell).some(({ rule }) => rule === "topk");

function notesOf(fit: FamilyFit): string[] {
  const { family, sizes, planned, minimum, intervals } = fit;
  const done = runsOf(fit).length;
  const notes = done < planned ? [`${family}: ${done} of ${planned} runs`] : [];
  if (minimum === null) notes.push(`${family}: a minimum takes three sizes, there are ${sizes.length}`);
  else if (!minimum.bracketed)
    notes.push(`${family}: minimum not bracketed, its best size ${bestOf(sizes).size} stands in`);
  else if (!isBracketed(fit))
    notes.push(`${family}: minimum bracketed in only ${Math.round(100 * intervals!.bracketedShare)} % of the draws`);
  if (isJudgedByTopk(fit)) notes.push(`${family}: trained for no causal rule, its top-k loss sees the future`);
  return notes;
}

function pairNotes(kind: ClaimKind, { candidate, other }: Pair, found: Estimate | null): string[] {
  if (candidate.minimum === null || other.minimum === null) return [];
  if (found === null) return [`${other.family} was not run with so many forward FLOPs`];
  const notes: string[] = [];
  if (found.interval === null)
    notes.push(
      candidate.draws === null
        ? "no interval: no size at this budget has several seeds"
        : "no interval: in many draws there is nothing to compare with",
    );
  const smallest = candidate.sizes[0]!;
  if (kind === "forwardFlops" && found.value <= smallest.forwardFlopsPerToken / other.minimum.forwardFlopsPerToken)
    notes.push(`the smallest size, ${smallest.size}, is as good: fewer may do`);
  return notes;
}

function causalClaim(fit: FamilyFit, paper: PaperClaim | null): Claim {
  const { family, budget } = fit;
  const pairs = runsOf(fit).flatMap(({ id, rule, lossNats, rules }) => {
    const { topk } = rules;
    return rule === "topk" || topk === undefined ? [] : [{ id, lossNats, cost: lossNats - topk.lossNats }];
  });
  const value = mean(pairs.map(({ cost }) => cost));
  const most = pairs.reduce<(typeof pairs)[number] | null>((a, b) => (a !== null && a.cost >= b.cost ? a : b), null);
  return {
    ...{ kind: "causal" as const, candidate: family, other: family, budget },
    estimate: most === null ? null : { value, interval: null },
    relative:
      most === null ? null : { value: value / (mean(pairs.map(({ lossNats }) => lossNats)) - value), interval: null },
    paper,
    verdict: most === null ? "not measured" : "shown",
    notes:
      most === null ? notesOf(fit) : [`at most ${most.cost.toFixed(4)} nats, in ${most.id}`, `${pairs.length} runs`],
  };
}
