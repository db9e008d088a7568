import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mod, modJson, modOk, shortTraining, workFolder } from "./support/cli.ts";

const folder = workFolder();
const cwd = folder.dir;
const one = ["--threads", "1"];

interface RuleResult {
  lossNats: number;
  capacityByLayer: number[];
  agreement: number;
}
interface Calibration {
  rule: string;
  step: number;
  tokens: number;
  thresholds: number[];
  before: RuleResult;
  after: RuleResult;
}
interface Sample {
  capacityByLayer: Record<string, number>;
}
interface Evaluation {
  tokens: number;
  rules: Record<string, RuleResult | null>;
}

let calibration: Calibration;
beforeAll(async () => {
  await modOk(shortTraining(8, "--out", "run"), { cwd });
  calibration = await modJson(["calibrate", "run", ...one], { cwd });
});
afterAll(() => folder.remove());

const maxRouted = (capacities: readonly number[]) => Math.max(...capacities.filter((share) => share < 1));

describe("mod calibrate", () => {
  test("brings each routed layer to its nominal share, and keeps the thresholds in the run", () => {
    expect(calibration).toMatchObject({ rule: "predictor", step: 8 });
    expect(calibration.thresholds).toHaveLength(2);
    for (const layer of [1, 3]) expect(calibration.after.capacityByLayer[layer]).toBeCloseTo(0.125, 2);
    const kept = JSON.parse(readFileSync(path.join(cwd, "run", "thresholds.json"), "utf8"));
    const { step, tokens, thresholds } = calibration;
    expect(kept).toEqual({ predictor: { step, thresholds, tokens } });
  });

  test("one rule's thresholds stay when another's are measured", async () => {
    cpSync(path.join(cwd, "run"), path.join(cwd, "both"), { recursive: true });
    const { stdout } = await modOk(["calibrate", "both", "--rule", "auxiliary", "--max-tokens", "512", ...one], {
      cwd,
    });
    expect(stdout).toMatch(/layer +threshold +capacity before +after[\s\S]*auxiliary: \d\.\d{4} nats\/token before/);
    const kept = JSON.parse(readFileSync(path.join(cwd, "both", "thresholds.json"), "utf8"));
    expect(Object.keys(kept).sort()).toEqual(["auxiliary", "predictor"]);
    expect(kept.predictor.thresholds).toEqual(calibration.thresholds);
  });

  test("refuses a dense model", async () => {
    await modOk(["train", "--preset", "tiny-dense", ...shortTraining(2, "--out", "dense").slice(3)], { cwd });
    const { code, stderr } = await mod(["calibrate", "dense", ...one], { cwd });
    expect(code).toBe(1);
    expect(stderr).toContain("must have routed layers, got none");
  });
});

describe("--calibrated and --budget", () => {
  test("mod eval scores with them what mod calibrate told of", async () => {
    const { rules }: Evaluation = await modJson(["eval", "run", "--calibrated", ...one], { cwd });
    expect(rules.predictor!.lossNats).toBeCloseTo(calibration.after.lossNats, 6);
    expect(rules.predictor!.capacityByLayer).toEqual(calibration.after.capacityByLayer);
    const { rules: limited }: Evaluation = await modJson(["eval", "run", "--calibrated", "--budget", "0.05", ...one], {
      cwd,
    });
    expect(maxRouted(limited.predictor!.capacityByLayer)).toBeLessThan(0.05 + 1 / 32);
    expect(limited.topk!.capacityByLayer).toEqual(rules.topk!.capacityByLayer);
  });

  test("mod sample keeps to the budget", async () => {
    const args = ["sample", "run", "--tokens", "40", "--calibrated", "--budget", "0.1", "--json", ...one];
    const { capacityByLayer }: Sample = await modJson(args, { cwd });
    for (const share of Object.values(capacityByLayer)) expect(share).toBeLessThanOrEqual(5 / 40);
    const none: Sample = await modJson(["sample", "run", "--tokens", "9", "--budget", "0", ...one], { cwd });
    expect(none.capacityByLayer).toEqual({ 1: 0, 3: 0 });
  });

  test("mod export writes them", async () => {
    await modOk(["export", "run", "--out", "exported", "--calibrated"], { cwd });
    const { thresholds } = JSON.parse(readFileSync(path.join(cwd, "exported", "model.json"), "utf8"));
    expect(thresholds).toEqual(calibration.thresholds);
  });

  test("thresholds that are not there, or belong to other weights, are an error that tells what to do", async () => {
    const { code, stderr } = await mod(["sample", "run", "--rule", "auxiliary", "--calibrated", ...one], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/calibrated for the rule "auxiliary" at step 8, got none; run mod calibrate .*auxiliary/);
    cpSync(path.join(cwd, "run"), path.join(cwd, "stale"), { recursive: true });
    const file = path.join(cwd, "stale", "thresholds.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"step": 8', '"step": 4'));
    expect((await mod(["eval", "stale", "--calibrated", ...one], { cwd })).stderr).toContain("got those of step 4");
    writeFileSync(file, "half a {");
    expect((await mod(["eval", "stale", "--calibrated", ...one], { cwd })).stderr).toContain("must hold JSON");
  });
});

describe("mod eval --generated", () => {
  test("scores what the model writes, under every rule", async () => {
    const { tokens, rules }: Evaluation = await modJson(["eval", "run", "--generated", "3", ...one], { cwd });
    expect(tokens).toBeGreaterThan(10);
    expect(tokens).toBeLessThanOrEqual(3 * 64);
    expect(rules.predictor!.agreement).toBeGreaterThan(0.4);
    const again: Evaluation = await modJson(["eval", "run", "--generated", "3", ...one], { cwd });
    expect(again.rules).toEqual(rules);
  });

  test("does not go with other texts", async () => {
    const { code, stderr } = await mod(["eval", "run", "--generated", "3", "--data", "x", ...one], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain("name two texts to score");
    expect((await mod(["eval", "run", "--generated", "3", "--max-tokens", "9", ...one], { cwd })).code).toBe(2);
  });
});
