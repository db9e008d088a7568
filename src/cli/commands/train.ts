import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { applyOverrides } from "../../config/overrides.ts";
import { type RunInput, resolveConfig } from "../../config/runConfig.ts";
import { readMetrics } from "../../run/metrics.ts";
import { runPaths } from "../../run/runFolder.ts";
import { startRun } from "../../train/startRun.ts";
import { defineCommand } from "../command.ts";
import { presetConfig, setOption } from "../runConfigOptions.ts";
import { continueRun, dataFor } from "../runTraining.ts";
import { jsonOption, runtimeOptions, whole } from "../sharedOptions.ts";
import { UsageError } from "../usage.ts";

const DEFAULT_PRESET = "small";

const options = z.strictObject({
  preset: z
    .string()
    .optional()
    .describe("what to start from; mod presets lists them (default: small)")
    .meta({ value: "name" }),
  ...setOption,
  data: z.array(z.string()).optional().describe("files, folders, a prepared folder, or sotu").meta({ value: "path" }),
  out: z.string().optional().describe("run folder to make (default: runs/PRESET)").meta({ value: "dir" }),
  resume: z.string().optional().describe("go on with this run, as it is configured").meta({ value: "dir" }),
  seed: whole(0).optional().describe("seed of parameters and data order (default: 0)"),
  ...runtimeOptions,
  ...jsonOption,
});

type Options = z.output<typeof options>;

export const train = defineCommand({
  description:
    "Trains a preset, prepares its data where that is missing, and leaves a run folder: configuration, tokenizer, metrics, checkpoints. Ctrl-C finishes the step, saves and says how to go on.",
  options,
  examples: [
    "mod train --preset small",
    "mod train --preset base-dense --data books/ --out runs/books --set train.horizon.budget=1e14",
    "mod train --resume runs/books",
  ],
  async run({ options: given, output }) {
    if (given.resume !== undefined) checkResume(given);
    const dir = given.resume ?? (await newRun(given, output));
    const outcome = await continueRun(dir, output, given);
    if (outcome.finished) output.print(`trained ${outcome.steps} steps; run folder: ${dir}`);
    else process.exitCode = 130;
    const last = readMetrics(runPaths(dir).metrics).findLast(({ kind }) => kind === "evaluation");
    return { ...outcome, evaluation: last?.result ?? null };
  },
});

/** A run goes on with its own configuration; only where it runs may change. */
function checkResume({ preset, set, data, out, seed }: Options): void {
  const fixed = { preset, data, out, seed, set: set.length > 0 ? set : undefined };
  const problems = Object.entries(fixed).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} cannot change a run that goes on; leave it out, or leave out --resume`],
  );
  if (problems.length > 0) throw new UsageError(problems);
}

async function newRun(given: Options, output: Parameters<typeof dataFor>[1]): Promise<string> {
  const dir = given.out ?? unusedFolder(path.join("runs", given.preset ?? DEFAULT_PRESET));
  const config = configOf(given);
  const data = await dataFor(config, output);
  startRun(dir, config, data);
  output.note(`run folder: ${dir}`);
  data.close();
  return dir;
}

function configOf({ preset, set, data, seed, provider, threads }: Options) {
  const base = presetConfig(preset ?? DEFAULT_PRESET);
  const changed: RunInput = {
    ...base,
    ...(seed !== undefined && { seed }),
    ...(data && { data: { ...base.data, sources: data } }),
    runtime: { ...base.runtime, ...(provider && { provider }), ...(threads && { threads }) },
  };
  return resolveConfig(applyOverrides(changed, set));
}

/** The folder, or the first of folder-2, folder-3, ... that is not there yet. */
function unusedFolder(dir: string): string {
  if (!existsSync(dir)) return dir;
  for (let i = 2; i < 1000; i++) if (!existsSync(`${dir}-${i}`)) return `${dir}-${i}`;
  throw new UsageError([`--out: ${dir} and its successors are taken; name a folder`]);
}
