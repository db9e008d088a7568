import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { LOCK_FILE, lockOwner, lockRun } from "./lock.ts";
import { temporaryFolder } from "./testing/temporaryFolder.ts";

test("a second lock is refused until the first is released", () => {
  const dir = temporaryFolder();
  const lock = lockRun(dir);
  expect(lock.message).toBeNull();
  expect(lockOwner(dir)).toMatchObject({ pid: process.pid, host: hostname() });
  expect(() => lockRun(dir)).toThrow(`got the lock of process ${process.pid} on ${hostname()}; wait for it`);
  lock.release();
  expect(lockOwner(dir)).toBeNull();
  const again = lockRun(dir);
  lock.release();
  expect(existsSync(again.path)).toBe(true);
  again.release();
  expect(readdirSync(dir)).toEqual([]);
});

test("the lock of a living process is respected", async () => {
  const dir = temporaryFolder();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  writeLock(dir, { pid: child.pid!, host: hostname(), startTicks: null });
  expect(() => lockRun(dir)).toThrow(`got the lock of process ${child.pid}`);
});

test("the lock of a dead process of this host is taken over, with a message", () => {
  const dir = temporaryFolder();
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  writeLock(dir, { pid, host: hostname(), startTicks: null });
  expect(lockOwner(dir)).toBeNull();
  const lock = lockRun(dir);
  expect(lock.message).toContain(`from process ${pid}, which no longer runs`);
  expect(() => lockRun(dir)).toThrow("only one process may train");
  lock.release();
  expect(readdirSync(dir)).toEqual([]);
});

test.runIf(process.platform === "linux")("a process number given to another process since counts as dead", () => {
  const dir = temporaryFolder();
  writeLock(dir, { pid: process.pid, host: hostname(), startTicks: 1 });
  expect(lockRun(dir).message).toContain(`from process ${process.pid}`);
});

test("the lock of another host is respected: its processes can't be seen", () => {
  const dir = temporaryFolder();
  writeLock(dir, { pid: 1, host: "elsewhere", startTicks: null });
  expect(() => lockRun(dir)).toThrow(
    `process 1 on elsewhere; wait for it, use another --out, or delete ${dir}/run.lock`,
  );
});

test("an unreadable lock is respected while it is new, and taken over when it is old", () => {
  const dir = temporaryFolder();
  const path = join(dir, LOCK_FILE);
  writeFileSync(path, "");
  expect(() => lockRun(dir)).toThrow("a process that is just starting");
  utimesSync(path, new Date(0), new Date(0));
  expect(lockRun(dir).message).toContain("a process that left no name");
});

test("while another process takes over, this one does not", () => {
  const dir = temporaryFolder();
  writeLock(dir, { pid: spawnSync(process.execPath, ["-e", ""]).pid, host: hostname(), startTicks: null });
  writeFileSync(join(dir, `${LOCK_FILE}.takeover`), "");
  expect(() => lockRun(dir)).toThrow("took it at the same moment");
  utimesSync(join(dir, `${LOCK_FILE}.takeover`), new Date(0), new Date(0));
  expect(lockRun(dir).message).not.toBeNull();
});

test("a folder that can't be written is named", () => {
  expect(() => lockRun(join(temporaryFolder(), "absent"))).toThrow("lockRun: cannot write");
});

function writeLock(dir: string, owner: { pid: number; host: string; startTicks: number | null }): void {
  writeFileSync(join(dir, LOCK_FILE), JSON.stringify({ ...owner, id: "00000000" }));
}
