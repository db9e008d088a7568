import { z } from "zod";
import { PROVIDERS, type Provider, type Runtime } from "../runtime/executor.ts";

/** The number that a word of the command line is; NaN for none. `Number` alone takes an empty word for 0. */
const fromWord = z.string().transform((word) => (word.trim() === "" ? Number.NaN : Number(word)));

/** A whole number from the command line. */
export function whole(least: number) {
  const error = `must be a whole number of at least ${least}`;
  return fromWord.pipe(z.int({ error }).min(least, { error }));
}

/** A number from the command line. */
export function real(least: number, most?: number) {
  const error = `must be a number ${most === undefined ? `of at least ${least}` : `from ${least} to ${most}`}`;
  return fromWord.pipe(
    z
      .number({ error })
      .min(least, { error })
      .max(most ?? Number.MAX_VALUE, { error }),
  );
}

/** Values from the command line, apart by spaces or commas. */
const listOf = <S extends z.ZodType<unknown, string>>(word: S) =>
  z
    .array(z.string())
    .transform((words) => words.flatMap((joined) => joined.split(",")))
    .pipe(z.array(word));

/** Words from the command line. */
export const wordList = <S extends z.ZodType<string, string>>(word: S) => listOf(word);

/** Whole numbers from the command line. */
export function wholeList(least: number) {
  const error = `must be a whole number of at least ${least}`;
  return listOf(z.string().regex(/^\d+$/, { error }).transform(Number).pipe(z.int().min(least, { error })));
}

/** Whether a benchmark looks for peers, and where. */
export const peerOptions = (what: string) => ({
  peers: z.boolean().default(false).describe(what),
  peerPython: wordList(z.string())
    .default(["python3", "/usr/bin/python3"])
    .describe("interpreters to look for peers in, the first first")
    .meta({ value: "python" }),
});

export const jsonOption = { json: z.boolean().default(false).describe("print one JSON document on standard output") };

export const runtimeOptions = {
  provider: z.enum(PROVIDERS).optional().describe("where graphs run (default: cpu)"),
  threads: whole(1).optional().describe("threads of the CPU provider (default: all)"),
};

export const checkpointOption = {
  checkpoint: z.enum(["best", "latest"]).default("best").describe("which checkpoint of the run"),
};

/** What changes how much routed layers compute, under a causal rule. */
export const capacityOptions = {
  calibrated: z.boolean().default(false).describe("use the thresholds that mod calibrate measured"),
  budget: real(0, 1)
    .optional()
    .describe("most that a routed layer computes, as a share of the tokens so far (default: no limit)"),
};

/** The runtime asked for; ONNX Runtime is loaded only now, so that `--help` stays fast. */
export async function makeRuntime(options: {
  readonly provider?: Provider | undefined;
  readonly threads?: number | undefined;
}): Promise<Runtime> {
  const { nodeRuntime } = await import("../runtime/node.ts");
  const { provider, threads } = options;
  return nodeRuntime({ ...(provider && { provider }), ...(threads && { threads }) });
}
