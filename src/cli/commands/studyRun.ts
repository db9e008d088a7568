import { availableParallelism } from "node:os";
import { z } from "zod";
import { countRun } from "../../study/plan.ts";
import { runStudy } from "../../study/runStudy.ts";
import { defineCommand } from "../command.ts";
import { CACHE_DIR } from "../runTraining.ts";
import { jsonOption, whole } from "../sharedOptions.ts";
import { stopOnSignal } from "../stopOnSignal.ts";
import { openStudy, stateOf } from "../study.ts";
import { StudyProgress } from "../studyProgress.ts";
import { UsageError } from "../usage.ts";

export const studyRun = defineCommand({
  description:
    "Makes the runs of a study that are not done, several at a time, each a process of its own; those that were interrupted go on from their last checkpoints. One that fails is noted and left. Ctrl-C finishes the steps under way, saves and ends; more commands like this one, on this machine, share the work.",
  arguments: [{ name: "study", description: "a study's folder, or its study.json" }],
  options: z.strictObject({
    workers: whole(1).optional().describe("runs at a time (default: one for each core)"),
    threads: whole(1).default(1).describe("threads of each"),
    only: z.array(z.string()).optional().describe("ids of the runs to make (default: all)").meta({ value: "id" }),
    retryFailed: z.boolean().default(false).describe("also those that failed before"),
    ...jsonOption,
  }),
  examples: ["mod study run studies/isoflop", "mod study run studies/isoflop --workers 1 --threads 2"],
  async run({ args: [place], options: given, output }) {
    const { threads, only, retryFailed } = given;
    const { paths, planned, failed, data } = await openStudy(place!, output);
    const strange = (only ?? []).filter((id) => !planned.some((run) => run.id === id));
    if (strange.length > 0) throw new UsageError([`--only: the study has no run ${strange.join(", ")}`]);
    const isAsked = ({ id }: { id: string }) => only?.includes(id) ?? true;
    const isLeft = ({ id }: { id: string }) => {
      const state = stateOf(id, paths, failed);
      return state === "to do" || (state === "failed" && retryFailed);
    };
    const left = planned.filter((run) => isAsked(run) && isLeft(run)).map((run) => countRun(run, data));
    data.close();
    if (left.length === 0) {
      output.print("nothing is left to do");
      return { finished: 0, failed: 0, interrupted: 0, left: 0 };
    }
    const progress = new StudyProgress(left, output);
    const stop = stopOnSignal(() => output.note("\nfinishing the steps under way; Ctrl-C again ends at once"));
    try {
      const workers = Math.min(left.length, given.workers ?? Math.max(1, Math.floor(availableParallelism() / threads)));
      await runStudy({
        ...{ paths, workers, threads, cacheDir: CACHE_DIR, signal: stop.signal },
        onEvent: (event) => progress.show(event),
        ...(only !== undefined && { only }),
        // Those that fail from now on are left.
        ...(retryFailed && { retryBefore: new Date().toISOString() }),
      });
    } finally {
      stop.release();
      progress.done();
    }
    const { counts } = progress;
    if (stop.signal.aborted) process.exitCode = 130;
    else if (counts.failed > 0) process.exitCode = 1;
    const remaining = left.length - counts.finished - counts.failed;
    output.print(
      `${counts.finished} runs done, ${counts.failed} failed, ${remaining} left; mod study report ${place} draws them`,
    );
    return { ...counts, left: remaining };
  },
});
