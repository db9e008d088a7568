import { z } from "zod";
import { duration } from "../../render/progress.ts";
import { countRun } from "../../study/plan.ts";
import { defineCommand } from "../command.ts";
import { compact, table } from "../format.ts";
import { jsonOption } from "../sharedOptions.ts";
import { estimateSeconds, openStudy, stateOf } from "../study.ts";

export const studyPlan = defineCommand({
  description:
    "Lists every run of a study before anything starts: parameters, tokens, epochs, steps, FLOPs, how long it may take, and what is done already. Prepares the study's text if that is missing.",
  arguments: [{ name: "study", description: "a study's folder, or its study.json" }],
  options: z.strictObject(jsonOption),
  examples: ["mod study plan studies/isoflop"],
  async run({ args: [place], output }) {
    const { paths, planned, results, failed, data } = await openStudy(place!, output);
    const runs = planned.map((run) => {
      const counted = countRun(run, data);
      const seconds = estimateSeconds(counted, results);
      return { ...counted, seconds, state: stateOf(run.id, paths, failed) };
    });
    data.close();
    const rows = runs.map((run) => [
      ...[run.id, run.state, compact(run.parameters), compact(run.forwardFlopsPerToken)],
      ...[String(run.steps), compact(run.tokens), run.epochs.toFixed(2), run.flops.toExponential(2)],
      ...[run.config.train.learningRate.peak.toExponential(2), duration(1000 * run.seconds)],
    ]);
    const headings = "run,state,parameters,FLOPs/token,steps,tokens,epochs,FLOPs,peak rate,time".split(",");
    output.print(table(headings, rows));
    const left = runs.filter(({ state }) => state !== "done");
    const seconds = left.reduce((sum, run) => sum + run.seconds, 0);
    output.print(`\n${runs.length} runs, ${left.length} left: about ${duration(1000 * seconds)} on one thread`);
    return { runs: runs.map(({ config, model, ...run }) => ({ ...run, config })), left: left.length, seconds };
  },
});
