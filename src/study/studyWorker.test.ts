import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LOCK_FILE, lockRun } from "../run/lock.ts";
import { runtime, sharedData } from "../train/testing/tinyRun.ts";
import { failures, note, readLedger } from "./ledger.ts";
import { countRun, planStudy } from "./plan.ts";
import { readResults } from "./results.ts";
import { type StudyPaths, studyPaths } from "./studyFolder.ts";
import { type StudyInput, studySchema } from "./studySchema.ts";
import { type WorkerEvent, workAtStudy } from "./studyWorker.ts";

const shared = sharedData();
let paths: StudyPaths;
beforeEach(() => {
  const dir = mkdtempSync(path.join(tmpdir(), "mod-study-"));
  paths = studyPaths(dir);
});
afterEach(() => rmSync(paths.dir, { recursive: true, force: true }));

const study = (change: Partial<StudyInput> = {}) =>
  studySchema.parse({
    description: "tiny",
    base: {
      model: { seqLen: 16, nLayer: 2, dModel: 16, nHead: 2 },
      data: { tokenizer: { kind: "bytes" } },
      train: { batchSize: 2, evaluate: { tokens: 64 }, checkpoint: { every: 2 } },
    },
    families: {
      vanilla: {},
      mod: { model: { pattern: ["dense", "mod"], routing: { kind: "learned", predictor: { width: 8 } } } },
    },
    sizes: { small: {} },
    learningRate: { peak: 3e-3, atWidth: 16 },
    grid: [{ budgets: [1e7], families: ["vanilla", "mod"], sizes: ["small"], seeds: [0, 1] }],
    ...change,
  });

/** Works at a study and gives what was told. */
async function work(planned = planStudy(study()), change: Partial<Parameters<typeof workAtStudy>[0]> = {}) {
  const events: WorkerEvent[] = [];
  const onEvent = (event: WorkerEvent) => void events.push(event);
  await workAtStudy({ paths, planned, data: shared.get(), runtime, onEvent, ...change });
  return events;
}

const ends = (events: readonly WorkerEvent[]) =>
  events.filter(({ kind }) => kind !== "step").map(({ id, kind }) => [id, kind]);

describe("workAtStudy", () => {
  test("makes every run, and leaves a small result of each", async () => {
    const planned = planStudy(study());
    const events = await work(planned);
    expect(ends(events)).toEqual(
      planned.flatMap(({ id }) => [
        [id, "started"],
        [id, "finished"],
      ]),
    );
    const results = readResults(paths.results, planned);
    expect(results.map(({ id }) => id)).toEqual(planned.map(({ id }) => id));
    for (const [i, result] of results.entries()) {
      const counted = countRun(planned[i]!, shared.get());
      const { flops, steps, tokens, parameters } = counted;
      expect(result).toMatchObject({ flops, steps, tokens, parameters, threads: 1 });
      expect(result.rule).toBe(result.family === "mod" ? "predictor" : "dense");
      expect(result.lossNats).toBe(result.rules[result.rule]!.lossNats);
      expect(result.curve.at(-1)).toMatchObject({ step: steps, flops });
      expect(result.seconds).toBeCloseTo(result.curve.at(-1)!.seconds, 2);
    }
    expect(results[2]!.rules.topk).toBeDefined();
    expect(results[0]!.lossNats).not.toBe(results[1]!.lossNats);
    expect(readFileSync(path.join(paths.results, `${planned[0]!.id}.json`)).byteLength).toBeLessThan(20_000);
    expect(await work(planned)).toEqual([]);
  });

  test("goes on from the results alone, as a fresh clone has them", async () => {
    const planned = planStudy(study());
    await work(planned.slice(0, 3));
    rmSync(paths.runs, { recursive: true });
    expect(ends(await work(planned))).toEqual(
      [3].flatMap((i) => [
        [planned[i]!.id, "started"],
        [planned[i]!.id, "finished"],
      ]),
    );
  });

  test("an interrupted run goes on, and ends as if nothing had happened", async () => {
    const planned = planStudy(study()).slice(2, 3);
    const stop = new AbortController();
    const first = await work(planned, {
      signal: stop.signal,
      onEvent: ({ step }) => step === 3 && stop.abort(),
    });
    expect(first).toEqual([]);
    expect(readLedger(paths.ledger).map(({ kind }) => kind)).toEqual(["started", "interrupted"]);
    expect(ends(await work(planned))).toEqual([
      [planned[0]!.id, "resumed"],
      [planned[0]!.id, "finished"],
    ]);
    const [resumed] = readResults(paths.results, planned);
    rmSync(paths.runs, { recursive: true });
    rmSync(paths.results, { recursive: true });
    await work(planned);
    const [whole] = readResults(paths.results, planned);
    const timeless = ({ curve, seconds: _, ...rest }: NonNullable<typeof whole>) => ({
      ...rest,
      curve: curve.map(({ lossNats, step }) => [step, lossNats]),
    });
    expect(timeless(resumed!)).toEqual(timeless(whole!));
  });

  test("leaves a run to the process that has it", async () => {
    const planned = planStudy(study());
    await work(planned.slice(0, 1));
    rmSync(paths.results, { recursive: true });
    const lock = lockRun(path.join(paths.runs, planned[0]!.id));
    const events = await work(planned.slice(0, 2));
    lock.release();
    expect(ends(events).map(([id]) => id)).not.toContain(planned[0]!.id);
    // Its end was reached before: what is left is to write the result.
    expect(ends(await work(planned.slice(0, 1)))).toEqual([
      [planned[0]!.id, "resumed"],
      [planned[0]!.id, "finished"],
    ]);
  });

  test("a run that fails is noted and left, and the others go on", async () => {
    const families = { vanilla: { learningRateFactor: 1e30 }, mod: {} };
    const planned = planStudy(
      study({ families, grid: [{ budgets: [1e7], families: ["vanilla", "mod"], sizes: ["small"] }] }),
    );
    const [bad, good] = planned.map(({ id }) => id);
    const kinds = ends(await work(planned));
    expect(kinds).toContainEqual([bad, "failed"]);
    expect(kinds).toContainEqual([good, "finished"]);
    expect(failures(readLedger(paths.ledger)).get(bad!)!.error).toMatch(/finite/);
    expect(await work(planned)).toEqual([]);
    const again = () => work(planned, { retryBefore: now });
    const now = new Date(Date.now() + 1).toISOString();
    expect(ends(await again()).at(-1)).toEqual([bad, "failed"]);
    // It failed since then: whoever else was told to try again leaves it.
    expect(await again()).toEqual([]);
  });

  test("a run that another host has is told of, and is none's failure", async () => {
    const planned = planStudy(study()).slice(0, 1);
    const dir = path.join(paths.runs, planned[0]!.id);
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, LOCK_FILE), JSON.stringify({ pid: 1, host: "elsewhere", startTicks: 1, id: "x" }));
    const [event] = await work(planned);
    expect(event).toMatchObject({ kind: "failed", error: expect.stringMatching(/process 1 on elsewhere.*delete/) });
    rmSync(path.join(dir, LOCK_FILE));
    expect(ends(await work(planned)).at(-1)).toEqual([planned[0]!.id, "finished"]);
  });

  test("a folder whose making was cut short is made again", async () => {
    const planned = planStudy(study()).slice(0, 1);
    const dir = path.join(paths.runs, planned[0]!.id);
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, "tokenizer.json"), "{");
    expect(ends(await work(planned)).at(-1)).toEqual([planned[0]!.id, "finished"]);
  });

  test("an entry behind a line that was cut short is read", () => {
    mkdirSync(paths.runs, { recursive: true });
    writeFileSync(paths.ledger, '{"at":"2026');
    note(paths.ledger, "a", "failed", "why");
    expect(failures(readLedger(paths.ledger)).get("a")!.error).toBe("why");
  });

  test("two workers at once share the runs: each is made once", async () => {
    const planned = planStudy(study());
    const [a, b] = await Promise.all([work(planned), work(planned)]);
    const finished = [...ends(a), ...ends(b)].filter(([, kind]) => kind === "finished").map(([id]) => id!);
    expect(finished.sort()).toEqual(planned.map(({ id }) => id).sort());
    expect(a.length).toBeGreaterThan(0);
    expect(b.length).toBeGreaterThan(0);
  });

  test("refuses a folder or a result of another configuration", async () => {
    const planned = planStudy(study()).slice(0, 1);
    await work(planned);
    const changed = planStudy(study({ learningRate: { peak: 1e-3, atWidth: 16 } })).slice(0, 1);
    expect(() => readResults(paths.results, changed)).toThrow(/must come from the configuration that the study has/);
    rmSync(paths.results, { recursive: true });
    expect(ends(await work(changed))).toEqual([[planned[0]!.id, "failed"]]);
    expect(readLedger(paths.ledger).at(-1)!.error).toMatch(/another; delete it/);
  });

  test("a result that is none is an error that names the file", async () => {
    const planned = planStudy(study()).slice(0, 1);
    await work(planned);
    const file = path.join(paths.results, readdirSync(paths.results)[0]!);
    writeFileSync(file, readFileSync(file, "utf8").replace('"lossNats"', '"lost"'));
    expect(() => readResults(paths.results, planned)).toThrow(file);
    expect(existsSync(file)).toBe(true);
  });
});
