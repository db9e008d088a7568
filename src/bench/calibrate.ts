import type { Candidate } from "./candidates.ts";
import { Worker } from "./worker.ts";

/** Steps that decide between candidates; the process is warm before. */
const STEPS = 3;

/** The fastest way to run a row, running. */
export interface Calibrated {
  readonly worker: Worker;
  readonly candidate: Candidate;
  /** Best time of each way, milliseconds, in the order of the candidates; none where there is no choice. */
  readonly tried: readonly number[];
}

/** Starts each candidate in turn and keeps the process of the fastest. */
export async function startFastest(candidates: readonly Candidate[]): Promise<Calibrated> {
  const [only] = candidates;
  if (candidates.length === 1) return { worker: await Worker.start(only!.command), candidate: only!, tried: [] };
  const tried: number[] = [];
  let best: { readonly worker: Worker; readonly candidate: Candidate; readonly ms: number } | undefined;
  try {
    for (const candidate of candidates) {
      const worker = await Worker.start(candidate.command);
      const ms = await bestTime(worker).catch((error) => worker.close().then(() => Promise.reject(error)));
      tried.push(ms);
      const slower = best !== undefined && best.ms <= ms ? worker : best?.worker;
      if (slower !== worker) best = { worker, candidate, ms };
      await slower?.close();
    }
  } catch (error) {
    await best?.worker.close();
    throw error;
  }
  return { worker: best!.worker, candidate: best!.candidate, tried };
}

async function bestTime(worker: Worker): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < STEPS; i++) times.push(await worker.time("step"));
  return Math.min(...times);
}
