import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { LOCK_FILE } from "../run/lock.ts";
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
