/** Which process is it, and does it still live: what a lock and a clean-up need to know. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When the process started, in kernel ticks since boot; null where the system doesn't tell. */
  readonly startTicks: number | null;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), startTicks: startTicksOf(process.pid) };
}

/** Whether a process of this host still runs. A process number that was given to another process since counts as dead. */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  if (!isRunning(pid)) return false;
  const now = startTicksOf(pid);
  return startTicks === null || now === null || startTicks === now;
}

/** Whether some process of this host has the number. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function startTicksOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the command's name in parentheses, which may hold spaces; the start time is the 22nd field.
    const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    return Number.isSafeInteger(ticks) ? ticks : null;
  } catch {
    return null;
  }
}
