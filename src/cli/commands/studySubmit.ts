import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { writeFileAtomic } from "../../files/atomic.ts";
import { slurmScript } from "../../study/slurm.ts";
import { defineCommand } from "../command.ts";
import { jsonOption, whole } from "../sharedOptions.ts";
import { openStudy, stateOf } from "../study.ts";
import { UsageError } from "../usage.ts";

const MOD = fileURLToPath(new URL("../mod.js", import.meta.url));

export const studySubmit = defineCommand({
  description:
    "Hands the runs of a study that are not done to Slurm, as one array job with a task for each. The study's folder, its text and this package must lie where the nodes see them. The script is kept beside the runs.",
  arguments: [{ name: "study", description: "a study's folder, or its study.json" }],
  options: z.strictObject({
    slurm: z.boolean().default(false).describe("the only queue there is so far, to be named"),
    threads: whole(1).default(1).describe("threads of each task"),
    atOnce: whole(1).optional().describe("most tasks at once (default: no limit)"),
    time: z
      .string()
      .regex(/^[\d:-]+$/, "must be a time as Slurm has it, 2:00:00 for instance")
      .optional()
      .describe("most time of a task; one that runs out of it saves, and can be submitted again")
      .meta({ value: "time" }),
    partition: z.string().optional().describe("where the tasks run").meta({ value: "name" }),
    dryRun: z.boolean().default(false).describe("write the script, and submit nothing"),
    ...jsonOption,
  }),
  examples: ["mod study submit studies/isoflop --slurm --at-once 20 --time 2:00:00"],
  async run({ args: [place], options: given, output }) {
    if (!given.slurm)
      throw new UsageError(["--slurm is needed: there is no other queue yet; mod study run works here"]);
    const { paths, planned, failed, data } = await openStudy(place!, output);
    data.close(); // prepared here, once, rather than by all tasks at the same time
    const ids = planned.map(({ id }) => id).filter((id) => stateOf(id, paths, failed) !== "done");
    if (ids.length === 0) {
      output.print("nothing is left to do");
      return { tasks: 0, script: null, job: null };
    }
    const { threads, atOnce, time, partition } = given;
    const folder = path.resolve(paths.runs, "slurm");
    mkdirSync(folder, { recursive: true });
    const script = path.join(folder, "array.sh");
    const text = slurmScript({
      ...{ name: path.basename(path.resolve(paths.dir)), dir: path.resolve(paths.study), ids, threads, logs: folder },
      command: [process.execPath, MOD],
      ...(atOnce !== undefined && { atOnce }),
      ...(time !== undefined && { time }),
      ...(partition !== undefined && { partition }),
    });
    writeFileAtomic(script, text);
    const job = given.dryRun ? null : submit(script);
    output.print(job === null ? `written: ${script}` : `job ${job}: ${ids.length} tasks; their output: ${folder}`);
    return { tasks: ids.length, script, job };
  },
});

/** Hands a script to Slurm; the number of the job. */
function submit(script: string): string {
  try {
    return execFileSync("sbatch", ["--parsable", script], { encoding: "utf8" }).trim();
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    const reason = code === "ENOENT" ? "no program of that name" : (stderr ?? "").trim();
    throw new Error(`study: sbatch must take ${script}, got ${reason}; --dry-run only writes it`, { cause: error });
  }
}
