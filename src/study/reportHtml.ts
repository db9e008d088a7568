import { escapeXml } from "../render/xml.ts";
import { runsOf } from "./cells.ts";
import type { Claim } from "./claims.ts";
import type { Figure } from "./figures.ts";
import type { FamilyFit } from "./fit.ts";
import { paragraph, section } from "./html.ts";
import type { FamilyPowerLaw } from "./powerLaw.ts";
import { REPORT_STYLE } from "./reportStyle.ts";
import { claimTable, minimaTable, powerLawTable, runTable } from "./reportTables.ts";

export interface ReportPage {
  readonly description: string;
  /** Runs that the study has, finished or not. */
  readonly planned: number;
  readonly fits: readonly FamilyFit[];
  readonly claims: readonly Claim[];
  readonly powerLaws: readonly FamilyPowerLaw[];
  readonly figures: readonly Figure[];
  /** What to type to make it all again. */
  readonly commands: readonly string[];
}

const CLAIMS_NOTE =
  "Each family is compared at its own minimum, at equal training FLOPs; models of the same shape are not compared. supported or contradicted: the whole 95 % interval lies on that side, and the sizes bracket the minima that this rests on, in 95 % of the draws at least. open: not so, or no size has several seeds. Missing runs may change all of it. shown: the paper compares no such models, or gives nothing that could be judged.";
const MINIMA_NOTE =
  "A parabola of the loss over ln(parameters), by least squares over runs. Intervals: 95 %, by 1,000 draws of the bootstrap over seeds. Draws are made from the deviations of all sizes with several seeds at the budget, made larger by sqrt(n / (n − 1)) and, since they are few, by Student's percentile over the normal one. Where the sizes that were run do not bracket a minimum, the best of them stands in its place. misfit: root mean square between sizes and parabola, which the intervals do not hold.";
const RUNS_NOTE =
  "loss: nats per token, teacher-forced, under the causal rule that the model samples with. top-k loss: as in training, where a routed block's selection sees the future and experts have their slots. Forward FLOPs count the capacity of training; what routed blocks and experts computed under the causal rule stands beside it.";

/** The page: one file, with its figures and nothing from elsewhere. */
export function reportHtml(page: ReportPage): string {
  const { description, fits, commands } = page;
  const finished = fits.flatMap(runsOf);
  const sections = finished.length === 0 ? [paragraph("No run has finished yet.")] : resultSections(page);
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    "<title>Mixture-of-Depths study</title>",
    `<style>${REPORT_STYLE}</style>`,
    "</head>",
    "<body>",
    "<h1>Mixture-of-Depths study</h1>",
    paragraph(description),
    paragraph(`${finished.length} of ${page.planned} runs are finished.`),
    ...sections,
    section("Make it again", `<pre>${commands.map(escapeXml).join("\n")}</pre>`),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function resultSections({ fits, claims, powerLaws, figures }: ReportPage): string[] {
  const claimed =
    claims.length === 0 ? [paragraph("The study compares nothing.")] : [claimTable(claims), paragraph(CLAIMS_NOTE)];
  const laws =
    powerLaws.length === 0
      ? paragraph("A power law takes bracketed minima of a family at three budgets.")
      : powerLawTable(powerLaws);
  return [
    section("Claims", ...claimed),
    section("Figures", ...figures.map(figureHtml)),
    section("Minima", minimaTable(fits), paragraph(MINIMA_NOTE)),
    section("Growth with the budget C", laws),
    section("Runs", runTable(fits), paragraph(RUNS_NOTE), provenance(fits)),
  ];
}

/** In a page an SVG needs no namespace. */
const figureHtml = ({ svg }: Figure): string => `<figure>\n${svg.replace(/ xmlns="[^"]*"/, "")}</figure>`;

function provenance(fits: readonly FamilyFit[]): string {
  const runs = fits.flatMap(runsOf);
  const all = (values: readonly (string | null)[]) =>
    [...new Set(values.map((value) => value ?? "unknown"))].join(", ");
  return paragraph(
    `Commits: ${all(runs.map(({ commit }) => commit))}. Machines: ${all(runs.map(({ machine }) => machine))}.`,
  );
}
