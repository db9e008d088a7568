import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { sharedData } from "../train/testing/tinyRun.ts";
import { budgetText, countRun, type PlannedRun, planStudy } from "./plan.ts";
import { readStudy, type StudyInput, studySchema } from "./studySchema.ts";

const folder = mkdtempSync(path.join(tmpdir(), "mod-study-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const shared = sharedData();

const mod = { pattern: ["dense", "mod"], routing: { kind: "learned", capacityRatio: 0.25 } };
const input: StudyInput = {
  description: "two families",
  base: { model: { seqLen: 16, routerStd: 0.1 }, data: { tokenizer: { kind: "bytes" } }, train: { batchSize: 2 } },
  families: {
    vanilla: {},
    mod: { model: mod, train: { optimizer: { routerRate: 5 } }, learningRateFactor: 2 },
  },
  sizes: { "2x16": { nLayer: 2, dModel: 16, nHead: 2 }, "4x64": { nLayer: 4, dModel: 64, nHead: 2 } },
  learningRate: { peak: 4e-3, atWidth: 16 },
  grid: [
    { budgets: [1e9], families: ["vanilla", "mod"], sizes: ["2x16", "4x64"], seeds: [0, 1] },
    { budgets: [1e9, 2e9], families: ["mod"], sizes: ["2x16"] },
  ],
};
const plan = (change: Partial<StudyInput> = {}) => planStudy(studySchema.parse({ ...input, ...change }));

describe("planStudy", () => {
  test("expands the grid in its order, each run once", () => {
    expect(plan().map(({ id }) => id)).toEqual([
      ...["1e9-vanilla-2x16-s0", "1e9-vanilla-2x16-s1", "1e9-vanilla-4x64-s0", "1e9-vanilla-4x64-s1"],
      ...["1e9-mod-2x16-s0", "1e9-mod-2x16-s1", "1e9-mod-4x64-s0", "1e9-mod-4x64-s1", "2e9-mod-2x16-s0"],
    ]);
  });

  test("a run is base, size and family together, its horizon the budget and its peak by the rule", () => {
    const { config } = plan().find(({ id }) => id === "1e9-mod-4x64-s1")!;
    expect(config.seed).toBe(1);
    expect(config.model).toMatchObject({ seqLen: 16, routerStd: 0.1, nLayer: 4, dModel: 64, nHead: 2, ...mod });
    expect(config.train.horizon).toEqual({ kind: "flops", budget: 1e9 });
    expect(config.train.learningRate).toMatchObject({ peak: 4e-3 * 0.5 * 2, warmup: 0.05 });
    expect(config.train.optimizer.routerRate).toBe(5);
    expect(plan()[0]!.config.train.learningRate.peak).toBe(4e-3);
  });

  test("another kind or choice replaces what the base has of it; a kind where there is none does not", () => {
    const base = {
      ...input.base,
      model: { ...input.base.model, experts: { choice: "token", perToken: 2 }, routing: { capacityRatio: 0.5 } },
    };
    const model = { pattern: ["dense", "mode"], experts: { choice: "expert", count: 4 }, routing: { kind: "learned" } };
    const [{ config }] = plan({
      ...{ base, families: { mode: { model } } },
      grid: [{ budgets: [1e9], families: ["mode"], sizes: ["2x16"] }],
    }) as [PlannedRun];
    expect(config.model.experts).toMatchObject({ choice: "expert", count: 4 });
    expect(config.model.routing).toMatchObject({ kind: "learned", capacityRatio: 0.5 });
  });

  test("sizes by a rule: width follows depth, in whole heads", () => {
    const runs = plan({
      sizes: { rule: { depths: [2, 3, 5], aspect: 20, headDim: 16 } },
      grid: [{ budgets: [1e9], families: ["vanilla"], sizes: ["L2", "L3", "L5"] }],
    });
    expect(runs.map(({ config: { model } }) => [model.nLayer, model.dModel, model.nHead])).toEqual([
      [2, 48, 3],
      [3, 64, 4],
      [5, 96, 6],
    ]);
  });

  test("a configuration that is not allowed names the run and the value", () => {
    const families = { vanilla: { model: { nHeads: 3 } }, mod: {} };
    expect(() => plan({ families })).toThrow(/1e9-vanilla-2x16-s0[\s\S]*unknown key "nHeads"/);
  });
});

test("budgets have short names", () => {
  expect([3e12, 1.5e13, 1e9].map(budgetText)).toEqual(["3e12", "1.5e13", "1e9"]);
});

test("a counted run trains for its budget, to within half a step", () => {
  for (const run of plan()) {
    const { flops, steps, tokens, parameters, epochs } = countRun(run, shared.get());
    expect(Math.abs(flops - run.budget)).toBeLessThanOrEqual(flops / steps / 2);
    expect(tokens).toBe(steps * 2 * 16);
    expect(epochs).toBeCloseTo(tokens / shared.get().train.tokens, 12);
    expect(parameters).toBeGreaterThan(10_000);
  }
});

describe("readStudy", () => {
  const file = (content: string) => {
    const name = path.join(folder, "study.json");
    writeFileSync(name, content);
    return name;
  };

  test("tells all that is wrong", () => {
    const wrong = { ...input, extra: 1, grid: [{ budgets: [-1], families: ["vanila"], sizes: ["2x16"] }] };
    expect(() => readStudy(file(JSON.stringify(wrong)))).toThrow(/extra/);
    expect(() => readStudy(file(JSON.stringify(wrong)))).toThrow(/grid\.0\.budgets\.0/);
    const unknown = { ...input, grid: [{ budgets: [1], families: ["vanila"], sizes: ["2x17"] }] };
    expect(() => readStudy(file(JSON.stringify(unknown)))).toThrow(/"vanila" is not known; there are vanilla, mod/);
    expect(() => readStudy(file(JSON.stringify(unknown)))).toThrow(/"2x17" is not known/);
    const compare = { baseline: "vanilla", candidates: ["moe"] };
    expect(() => readStudy(file(JSON.stringify({ ...input, compare })))).toThrow(/compare: "moe" is not known/);
  });

  test("a file that is no JSON, or not there", () => {
    expect(() => readStudy(file("{"))).toThrow(/must be a JSON file/);
    expect(() => readStudy(path.join(folder, "none.json"))).toThrow(/ENOENT/);
  });
});
