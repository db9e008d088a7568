import path from "node:path";
import { z } from "zod";
import { writeReport } from "../../study/report.ts";
import { defineCommand } from "../command.ts";
import { jsonOption } from "../sharedOptions.ts";
import { openStudyFolder } from "../study.ts";

export const studyReport = defineCommand({
  description:
    "Fits and draws what is there of a study: one HTML page that needs nothing else, figures as SVG and PNG, tables as CSV. Needs the results alone, not the run folders.",
  arguments: [{ name: "study", description: "a study's folder, or its study.json" }],
  options: z.strictObject({
    out: z
      .string()
      .optional()
      .describe("folder to write (default: report, in the study's folder)")
      .meta({ value: "dir" }),
    ...jsonOption,
  }),
  examples: ["mod study report studies/isoflop"],
  async run({ args: [place], options: { out }, output }) {
    const { paths, study, planned, results } = openStudyFolder(place!);
    const dir = out ?? paths.report;
    const commands = ["plan", "run", "report"].map((word) => `npx mod study ${word} ${paths.dir}`);
    const written = await writeReport(dir, study, results, { planned: planned.length, commands });
    output.print(`${results.length} of ${planned.length} runs; ${path.join(dir, "report.html")}`);
    return { finished: results.length, planned: planned.length, ...written };
  },
});
