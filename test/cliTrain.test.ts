import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { mod, modJson, modOk, shortTraining, startMod, workFolder } from "./support/cli.ts";

const folder = workFolder();
const cwd = folder.dir;
afterAll(() => folder.remove());

const file = (name: string) => path.join(cwd, name);
const stepsOf = (run: string) =>
  readFileSync(file(`${run}/metrics.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === "step")
    .map(({ step }) => step);
const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

test("trains, prints one document with --json, and says all else on standard error", async () => {
  const { stdout, stderr } = await modOk([...shortTraining(4, "train.evaluate.every=2", "--out", "a"), "--json"], {
    cwd,
  });
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({ dir: "a", step: 4, steps: 4, finished: true });
  expect(document.evaluation.rules.topk.lossNats).toBeGreaterThan(0);
  expect(stderr).toContain("trained 4 steps; run folder: a");
  expect(stderr).toMatch(/^step 2: validation bits per byte: topk [\d.]+, predictor [\d.]+ \(accuracy [\d.]+ %\)/m);
  expect(stepsOf("a")).toEqual(upTo(4));
  expect(readdirSync(file("a"))).not.toContain("run.lock");
});

test("names a run folder after the preset, and another where that is taken", async () => {
  expect(await modJson(shortTraining(1), { cwd })).toMatchObject({ dir: path.join("runs", "tiny") });
  const second = await modOk([...shortTraining(1), "--json"], { cwd });
  expect(JSON.parse(second.stdout)).toMatchObject({ dir: path.join("runs", "tiny-2") });
  expect(second.stderr).toMatch(/^run folder: runs.tiny-2$/m); // said before the work, not only after
});

test("keeps the resolved configuration, --seed and --set in it", async () => {
  await modOk(shortTraining(1, "model.nLayer=2", "--seed", "7", "--out", "configured"), { cwd });
  const config = JSON.parse(readFileSync(file("configured/config.json"), "utf8"));
  expect(config).toMatchObject({ seed: 7, model: { nLayer: 2, nHead: 2 }, train: { batchSize: 2 } });
  expect(config.data.sources).toEqual([file("texts")]);
});

test("refuses a folder that holds a run, and says what to do", async () => {
  await modOk(shortTraining(1, "--out", "taken"), { cwd });
  const { code, stdout, stderr } = await mod(shortTraining(1, "--out", "taken"), { cwd });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/mod: createRun: taken must be new or empty, got a run; use --resume to go on/);
});

test("a run under way refuses another, stops on Ctrl-C, and goes on to its end", async () => {
  const first = startMod([...shortTraining(300, "--out", "long"), "--json"], { cwd });
  await first.until(/^train .*\/300/m);
  first.child.kill("SIGSTOP"); // it must not end before the others have tried

  const second = await mod(["train", "--resume", "long"], { cwd });
  expect(second).toMatchObject({ code: 1, stdout: "" });
  expect(second.stderr).toMatch(/^mod: lockRun: only one process may train in long, got the lock of process \d+/);
  const third = await mod(shortTraining(300, "--out", "long"), { cwd });
  expect(third.code).toBe(1);
  expect(third.stderr).toContain("must be new or empty, got a run");

  first.child.kill("SIGCONT");
  first.child.kill("SIGINT");
  const stopped = await first.result;
  const document = JSON.parse(stopped.stdout);
  expect(stopped.code).toBe(130);
  expect(document).toMatchObject({ dir: "long", steps: 300, finished: false });
  expect(stopped.stderr).toContain(`saved at step ${document.step}; go on with: mod train --resume long`);
  expect(existsSync(file("long/run.lock"))).toBe(false);

  const resumed = await modOk(["train", "--resume", "long", "--threads", "1", "--json"], { cwd });
  expect(resumed.stderr).toContain(`goes on from step ${document.step} of 300`);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ step: 300, finished: true });
  expect(stepsOf("long")).toEqual(upTo(300));
});

test("goes on after a process that was killed, and says whose lock it took", async () => {
  const killed = startMod(shortTraining(100, "train.checkpoint.every=5", "--out", "killed"), { cwd });
  await killed.until(/^train .*\/100/m);
  killed.child.kill("SIGKILL");
  await killed.result;
  const { stderr } = await modOk(["train", "--resume", "killed", "--threads", "1"], { cwd });
  expect(stderr).toMatch(/lockRun: took over .* from process \d+, which no longer runs/);
  expect(stepsOf("killed")).toEqual(upTo(100));
});

test("resuming a run that is done changes nothing", async () => {
  await modOk(shortTraining(2, "--out", "done"), { cwd });
  const before = readFileSync(file("done/metrics.jsonl"), "utf8");
  expect(await modJson(["train", "--resume", "done"], { cwd })).toMatchObject({ step: 2, finished: true });
  expect(readFileSync(file("done/metrics.jsonl"), "utf8")).toBe(before);
});

test("refuses to resume what is no run", async () => {
  const folderOnly = await mod(["train", "--resume", "texts"], { cwd });
  expect(folderOnly).toMatchObject({ code: 1, stdout: "" });
  expect(folderOnly.stderr).toMatch(/^mod: openRun: texts must be a run folder, got no readable .*config\.json/);
  const nothing = await mod(["train", "--resume", "nowhere"], { cwd });
  expect(nothing.code).toBe(1);
  expect(nothing.stderr).toContain("mod: openRun: nowhere must be a run folder, got nothing there; check the path");
});

test("refuses data that is not there, and leaves no run folder", async () => {
  const { code, stdout, stderr } = await mod(["train", "--preset", "tiny", "--data", "nowhere.txt", "--out", "b"], {
    cwd,
  });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain('mod: readDocuments: a source must exist, got "nowhere.txt"');
  expect(existsSync(file("b"))).toBe(false);
});

test("a bad change of the configuration leaves no run folder", async () => {
  const { code, stderr } = await mod(shortTraining(1, "model.nHead=3", "modl.x=1", "--out", "c"), { cwd });
  expect(code).toBe(2);
  expect(stderr).toContain("model.nHead: must divide dModel=64, got 3");
  expect(stderr).toContain('"modl"');
  expect(existsSync(file("c"))).toBe(false);
});
