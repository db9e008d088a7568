import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { writeFileAtomic } from "../files/atomic.ts";
import { canonicalJson, type JsonObject } from "../run/json.ts";
import type { PlannedRun } from "./plan.ts";
import { type RunResult, runResultSchema } from "./runResult.ts";
import { StudyError } from "./studySchema.ts";

const fileOf = (results: string, id: string) => path.join(results, `${id}.json`);

export function writeResult(results: string, result: RunResult): void {
  mkdirSync(results, { recursive: true });
  writeFileAtomic(fileOf(results, result.id), `${JSON.stringify(result, null, 1)}\n`);
}

export const hasResult = (results: string, id: string): boolean => existsSync(fileOf(results, id));

/**
 * The results of planned runs that are there, in the order of the plan; those of other runs are left out.
 *
 * @throws where a result was made under another configuration than is planned now
 */
export function readResults(results: string, planned: readonly PlannedRun[]): RunResult[] {
  if (!existsSync(results)) return [];
  const found = new Set(readdirSync(results));
  return planned.flatMap((run) => (found.has(`${run.id}.json`) ? [readResult(fileOf(results, run.id), run)] : []));
}

function readResult(file: string, { id, config }: PlannedRun): RunResult {
  const parsed = runResultSchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
  if (!parsed.success) {
    const [problem] = parsed.error.issues;
    throw new StudyError(
      `study: ${file} must be the result of a run, got ${problem?.path.join(".")}: ${problem?.message}; delete it, and the run is made again`,
    );
  }
  if (!isSameRun(parsed.data.config, config)) {
    throw new StudyError(
      `study: ${file} must come from the configuration that the study has for ${id}, got another; ` +
        "take back the change, or delete the file, and the run is made again",
    );
  }
  return parsed.data;
}

/** Whether two configurations make the same run: where its text lies and how many threads it has does not matter. */
export function isSameRun(a: object, b: object): boolean {
  const identity = (config: object) => {
    const { model, train, seed, data } = config as JsonObject & { model: JsonObject; data: JsonObject };
    const { vocabSize: _, ...shape } = model;
    const { sources, tokenizer, ...choice } = data as JsonObject & { tokenizer: JsonObject };
    const names = (sources as string[]).map((source) => path.basename(source));
    const { path: file, ...kind } = tokenizer;
    const vocabulary = { ...kind, ...(file !== undefined && { file: path.basename(file as string) }) };
    return canonicalJson({ model: shape, train: train!, seed: seed!, data: { ...choice, names, vocabulary } });
  };
  return identity(plain(a)) === identity(plain(b));
}

/** Without keys whose value is undefined, as JSON has it. */
const plain = (value: object): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;
