import type { z } from "zod";
import type { Candidate } from "./candidates.ts";
import { Worker } from "./worker.ts";

/** How candidates are compared. */
export interface Trial<Ready> {
  /** What a process says once it is warm. */
  readonly ready: z.ZodType<Ready>;
  /** Time of a little of the work, milliseconds. */
  trial(worker: Worker<Ready>): Promise<number>;
}

/** The fastest way to run a row, running. */
export interface Calibrated<Ready> {
  readonly worker: Worker<Ready>;
  readonly candidate: Candidate;
  /** Time of each way, milliseconds, in the order of the candidates; none where there is no choice. */
  readonly tried: readonly number[];
}

/** Starts each candidate in turn and keeps the process of the fastest. */
export async function startFastest<Ready>(
  candidates: readonly Candidate[],
  { ready, trial }: Trial<Ready>,
): Promise<Calibrated<Ready>> {
  const [only] = candidates;
  const start = ({ command }: Candidate) => Worker.start(command, ready);
  if (candidates.length === 1) return { worker: await start(only!), candidate: only!, tried: [] };
  const tried: number[] = [];
  let best: { readonly worker: Worker<Ready>; readonly candidate: Candidate; readonly ms: number } | undefined;
  try {
    for (const candidate of candidates) {
      const worker = await start(candidate);
      const ms = await trial(worker).catch((error) => worker.close().then(() => Promise.reject(error)));
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
