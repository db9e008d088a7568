import { shortNumber } from "../render/shortNumber.ts";
import { type Cell, runsOf } from "./cells.ts";
import type { Claim, Verdict } from "./claims.ts";
import { bitsPerByte, type FamilyFit, isBracketed } from "./fit.ts";
import { type HtmlCell, htmlTable } from "./html.ts";
import { bestOf, misfit } from "./minimum.ts";
import { budgetText } from "./plan.ts";
import type { FamilyPowerLaw, LawQuantity } from "./powerLaw.ts";
import { realisedCapacity, realisedExperts } from "./realisedCapacity.ts";
import type { RunResult } from "./runResult.ts";
import { CLAIM_WORDS, estimateText, loss, percent, relativeText, withInterval } from "./words.ts";

const VERDICT_CLASSES: Readonly<Record<Verdict, string>> = {
  supported: "supported",
  contradicted: "contradicted",
  open: "open",
  "not measured": "missing",
  shown: "shown",
};

export function claimTable(claims: readonly Claim[]): string {
  return htmlTable(
    ["measured", "budget", "value [95 % interval]", "relative", "paper", "verdict", "notes"],
    claims.map((claim): HtmlCell[] => {
      const { kind, candidate, other, budget, relative, paper, verdict, notes } = claim;
      const { measure } = CLAIM_WORDS[kind];
      return [
        ...[measure(candidate, other), budgetText(budget), estimateText(claim), relativeText(relative)],
        paper?.words ?? "not given",
        { text: verdict, className: VERDICT_CLASSES[verdict] },
        notes.join("; "),
      ];
    }),
  );
}

export function minimaTable(fits: readonly FamilyFit[]): string {
  return htmlTable(
    [
      "budget",
      "family",
      "runs",
      "sizes",
      "minimum",
      "loss, nats",
      "bits/byte",
      "parameters",
      "forward FLOPs/token",
      "misfit, nats",
    ],
    fits.map((fit) => {
      const { budget, family, sizes, planned, minimum, intervals } = fit;
      const runs = runsOf(fit);
      const state = [budgetText(budget), family, `${runs.length} of ${planned}`, String(sizes.length)];
      if (minimum === null) return [...state, "not measured: three sizes are needed", "", "", "", "", ""];
      const { bracketed, lossNats, parameters, forwardFlopsPerToken } = minimum;
      const count = (value: number) => shortNumber(value);
      return [
        ...[...state, bracketingText(fit)],
        withInterval(lossNats, intervals?.lossNats ?? null, loss),
        bitsPerByte(lossNats, runs[0]!).toFixed(4),
        // The best size says nothing of where a minimum may lie.
        withInterval(parameters, (bracketed && intervals?.parameters) || null, count),
        withInterval(forwardFlopsPerToken, (bracketed && intervals?.forwardFlopsPerToken) || null, count),
        misfit(minimum, sizes).toFixed(4),
      ];
    }),
  );
}

function bracketingText(fit: FamilyFit): string {
  if (!fit.minimum!.bracketed) return `not bracketed; best size: ${bestOf(fit.sizes).size}`;
  return isBracketed(fit) ? "bracketed" : `bracketed in ${percent(fit.intervals!.bracketedShare)} of the draws`;
}

const QUANTITY_WORDS: Readonly<Record<LawQuantity, string>> = {
  parameters: "parameters",
  forwardFlopsPerToken: "forward FLOPs per token",
};

export function powerLawTable(laws: readonly FamilyPowerLaw[]): string {
  return htmlTable(
    ["family", "at the optimum", "coefficient", "exponent of C", "budgets"],
    laws.map(({ family, quantity, coefficient, exponent, budgets }) => [
      ...[family, QUANTITY_WORDS[quantity], shortNumber(coefficient)],
      withInterval(exponent.value, exponent.interval, (value) => value.toFixed(3)),
      budgets.map(budgetText).join(", "),
    ]),
  );
}

const RUN_HEADINGS =
  "budget,family,size,seed,parameters,forward FLOPs/token,steps,tokens,epochs,loss,rule,top-k loss,bits/byte,computed by routed blocks (top-k),experts a token (top-k),accuracy,seconds,threads";

/** Every run. The loss is the headline's, under the causal rule; top-k, which sees the future, stands beside it. */
export function runTable(cells: readonly Cell[]): string {
  return htmlTable(RUN_HEADINGS.split(","), cells.flatMap(runsOf).map(runRow));
}

function runRow(run: RunResult): string[] {
  const { topk } = run.rules;
  const accuracy = run.rules[run.rule]?.accuracy ?? null;
  const [capacity, experts] = [realisedCapacity(run), realisedExperts(run)];
  return [
    ...[budgetText(run.budget), run.family, run.size, String(run.seed)],
    ...[shortNumber(run.parameters), shortNumber(run.forwardFlopsPerToken), String(run.steps)],
    ...[shortNumber(run.tokens), run.epochs.toFixed(2), loss(run.lossNats), run.rule],
    ...[topk === undefined ? "" : loss(topk.lossNats), run.bitsPerByte.toFixed(4)],
    capacity === null ? "" : `${percent(capacity.headline)} (${percent(capacity.topk)})`,
    experts === null ? "" : `${experts.headline.toFixed(3)} (${experts.topk.toFixed(3)})`,
    ...[accuracy === null ? "" : percent(accuracy), run.seconds.toFixed(0), String(run.threads)],
  ];
}
