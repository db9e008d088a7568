import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mod, modJson, modOk, startMod, workFolder } from "./support/cli.ts";

const folder = workFolder();
const cwd = folder.dir;
const dir = path.join(cwd, "study");
const STEP = 2e7;

const study = (budget: number) => ({
  description: "tiny",
  base: {
    model: { seqLen: 32, nLayer: 2, dModel: 32, nHead: 2 },
    data: { sources: ["texts"], tokenizer: { kind: "bytes" } },
    train: { batchSize: 4, evaluate: { tokens: 256 }, checkpoint: { every: 5 } },
  },
  families: { vanilla: {}, mod: { model: { pattern: ["dense", "mod"], routing: { kind: "learned" } } } },
  sizes: { "2x32": {}, "2x48": { dModel: 48 }, "2x64": { dModel: 64 } },
  learningRate: { peak: 3e-3, atWidth: 32 },
  grid: [{ budgets: [budget], families: ["vanilla", "mod"], sizes: ["2x32", "2x48", "2x64"] }],
  compare: { baseline: "vanilla", candidates: ["mod"] },
});

interface Plan {
  runs: { id: string; state: string; steps: number; flops: number }[];
  left: number;
}
const plan = (): Promise<Plan> => modJson(["study", "plan", "study"], { cwd });
const results = () => (existsSync(path.join(dir, "results")) ? readdirSync(path.join(dir, "results")) : []);

beforeAll(() => {
  mkdirSync(dir);
  writeFileSync(path.join(dir, "study.json"), JSON.stringify(study(100 * STEP)));
});
afterAll(() => folder.remove());

describe("mod study", () => {
  test("plan lists every run before anything starts", async () => {
    const { runs, left } = await plan();
    expect(left).toBe(6);
    for (const { state, steps, flops } of runs) {
      expect(state).toBe("to do");
      expect(Math.abs(flops - 100 * STEP)).toBeLessThanOrEqual(flops / steps / 2);
    }
    expect(results()).toEqual([]);
    const { stdout } = await modOk(["study", "plan", "study"], { cwd });
    expect(stdout).toMatch(/run +state +parameters[\s\S]*6 runs, 6 left: about \d+ s on one thread/);
  });

  test("run is killed, interrupted and started again, and every run is made once", async () => {
    const first = startMod(["study", "run", "study", "--workers", "2"], { cwd });
    await first.until(/\(1 of 6\)/);
    first.child.kill("SIGKILL");
    await first.result;
    await sleep(1500); // its workers see that it is gone, finish their steps and save
    const made = results().length;
    expect(made).toBeGreaterThanOrEqual(1);
    const second = startMod(["study", "run", "study"], { cwd });
    await second.until(/\(1 of \d\)|nothing is left/);
    second.child.kill("SIGINT");
    expect([0, 130]).toContain((await second.result).code);
    const third = await mod(["study", "run", "study", "--json"], { cwd });
    expect(third.code, third.stderr).toBe(0);
    expect(JSON.parse(third.stdout)).toMatchObject({ failed: 0, left: 0 });
    expect(results()).toHaveLength(6);
    expect((await plan()).left).toBe(0);
    const ledger = readFileSync(path.join(dir, "runs", "ledger.jsonl"), "utf8").match(/.+/g)!;
    const finished = ledger.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "finished");
    expect(new Set(finished.map(({ id }) => id)).size).toBe(finished.length);
  });

  test("report needs the results alone", async () => {
    rmSync(path.join(dir, "runs"), { recursive: true });
    const { stdout } = await modOk(["study", "report", "study"], { cwd });
    expect(stdout).toContain("6 of 6 runs");
    const files = readdirSync(path.join(dir, "report"));
    expect(files).toEqual(
      expect.arrayContaining(["report.html", "runs.csv", "loss-parameters.svg", "loss-parameters.png"]),
    );
    const csv = readFileSync(path.join(dir, "report", "runs.csv"), "utf8")
      .trim()
      .split("\n");
    expect(csv).toHaveLength(7);
  });

  test("submit writes an array job over what is left", async () => {
    rmSync(path.join(dir, "results", results()[0]!));
    const { tasks, script, job } = (await modJson(["study", "submit", "study", "--slurm", "--dry-run"], { cwd })) as {
      tasks: number;
      script: string;
      job: null;
    };
    expect([tasks, job]).toEqual([1, null]);
    expect(readFileSync(script, "utf8")).toContain("#SBATCH --array=0-0");
    expect((await mod(["study", "submit", "study"], { cwd })).code).toBe(2);
  });

  test("wrong places and names are errors that tell what to do", async () => {
    expect((await mod(["study", "plan", "nowhere"], { cwd })).stderr).toContain("must be a folder with a study.json");
    const { code, stderr } = await mod(["study", "run", "study", "--only", "1e9-x"], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain("the study has no run 1e9-x");
  });
});
