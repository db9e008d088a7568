import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { LOCK_FILE } from "../run/lock.ts";
import type { RunSummary } from "./api.ts";
import { RunsFolder } from "./runsFolder.ts";
import { fileFolder } from "./testing/fileFolder.ts";
import { Training } from "./training.ts";

const dir = fileFolder();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A folder that is a run as far as lists know. */
function makeRun(id: string): string {
  const place = path.join(dir, id);
  mkdirSync(place);
  for (const name of ["config.json", "tokenizer.json"]) writeFileSync(path.join(place, name), "{}");
  return place;
}

const lock = (id: string, owner: object) => writeFileSync(path.join(dir, id, LOCK_FILE), JSON.stringify(owner));
const trainingWith = (script: string) =>
  new Training({ folder: new RunsFolder(dir), mod: [process.execPath, "-e", script, "--"], cwd: dir });

test("what a lock of another host, or no process, names gets no signal", () => {
  makeRun("held");
  const training = trainingWith("");
  const bystander = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  children.push(bystander);
  lock("held", { pid: bystander.pid, host: "elsewhere", startTicks: 1, id: "x" });
  expect(() => training.stop("held")).toThrow("held is trained on elsewhere; stop it there");
  for (const pid of [0, -1]) {
    lock("held", { pid, host: hostname(), startTicks: 1, id: "x" });
    expect(() => training.stop("held"), String(pid)).toThrow("held: its lock names no process");
  }
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
});

test("beside one run alone none is started, whatever its name", () => {
  const folder = new RunsFolder(makeRun("alone"));
  const training = new Training({ folder, mod: ["none"], cwd: dir });
  expect(() => training.start({ name: "new", preset: "tiny-mod" })).toThrow(
    "this page shows one run alone; start mod ui on the folder of runs",
  );
});

/** A training that counts the signals it gets, and ends a while after. */
const COUNTING = `
  const fs = require("node:fs");
  process.on("SIGINT", () => {
    fs.appendFileSync("signals", "x");
    setTimeout(() => process.exit(130), 300);
  });
  fs.writeFileSync("ready", "");
  setInterval(() => {}, 1000);
`;
const fileAt = (name: string) => path.join(dir, name);
const until = async (isSo: () => boolean) => {
  for (let i = 0; !isSo(); i++) {
    if (i === 1000) throw new Error("it must come to pass, got nothing within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
const stateIn = (training: Training, id: string) => training.complete([]).find((run) => run.id === id)?.state;

/** The 22nd field; the second, in parentheses, is the program's name. */
const startTicksOf = (pid: number) =>
  process.platform === "linux"
    ? Number(readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ")[19])
    : null;

test("a run is asked to save once, however often stop is asked for, and whether the server ends too", async () => {
  const training = trainingWith(COUNTING);
  training.start({ name: "asked", preset: "tiny-mod" });
  await until(() => existsSync(fileAt("ready")));
  training.stop("asked");
  training.stop("asked");
  const closing = training.close();
  expect(() => training.start({ name: "late", preset: "tiny-mod" })).toThrow("the server is ending");
  await closing;
  expect(readFileSync(fileAt("signals"), "utf8")).toBe("x");
  expect(stateIn(training, "asked")).toBeUndefined();
});

test("a run that was started elsewhere is asked once too", async () => {
  makeRun("elsewhere");
  for (const name of ["ready", "signals"]) rmSync(fileAt(name), { force: true });
  const child = spawn(process.execPath, ["-e", COUNTING], { cwd: dir });
  children.push(child);
  await until(() => existsSync(fileAt("ready")));
  lock("elsewhere", { pid: child.pid, host: hostname(), startTicks: startTicksOf(child.pid!), id: "x" });
  const training = trainingWith("");
  training.stop("elsewhere");
  await until(() => existsSync(fileAt("signals")));
  training.stop("elsewhere");
  await new Promise((resolve) => child.once("close", resolve));
  expect(readFileSync(fileAt("signals"), "utf8")).toBe("x");
});

test("a stop before there is anything to save is no failure; another end by a signal is one", async () => {
  const training = trainingWith("setInterval(() => {}, 1000)");
  training.start({ name: "early", preset: "tiny-mod" });
  training.stop("early");
  await until(() => training.running === 0);
  expect(stateIn(training, "early")).toBeUndefined();
  const killed = trainingWith('process.kill(process.pid, "SIGKILL")');
  killed.start({ name: "killed", preset: "tiny-mod" });
  await until(() => killed.running === 0);
  expect(killed.complete([])[0]).toMatchObject({ state: "damaged", problem: "mod train ended with a signal" });
});

test("a process that cannot be made is told of with the reason", async () => {
  const training = new Training({ folder: new RunsFolder(dir), mod: [fileAt("no such program")], cwd: dir });
  training.start({ name: "unmade", preset: "tiny-mod" });
  await until(() => training.running === 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(training.complete([])[0]!.problem).toContain("ENOENT");
});

test("a failure is told with its time, until the run goes on", async () => {
  const training = trainingWith('console.error("mod: no memory"); process.exit(1)');
  const before = Date.now();
  training.start({ name: "failing", preset: "tiny-mod" });
  const starting = training.complete([]);
  expect(starting[0]).toMatchObject({ state: "starting" });
  expect(starting[0]!.changedMs).toBeGreaterThanOrEqual(before);
  expect(starting[0]!.changedMs).toBeLessThanOrEqual(Date.now());
  await until(() => training.running === 0);
  const [failed] = training.complete([]);
  expect(failed).toMatchObject({ state: "damaged", problem: "no memory" });
  expect(failed!.changedMs).toBeLessThanOrEqual(Date.now());
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(training.complete([])).toEqual([failed]);
  const run = (changedMs: number, state: RunSummary["state"] = "stopped") =>
    ({ id: "failing", problem: null, state, changedMs }) as RunSummary;
  const problemOf = (...args: Parameters<typeof run>) => training.complete([run(...args)])[0]!.problem;
  expect(problemOf(failed!.changedMs - 1)).toBe("no memory");
  expect(problemOf(failed!.changedMs - 1, "running")).toBeNull();
  expect(problemOf(failed!.changedMs - 1, "done")).toBeNull();
  expect(problemOf(failed!.changedMs + 1)).toBeNull();
});
