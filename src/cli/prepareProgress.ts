import type { PrepareProgress } from "../data/prepare.ts";
import type { Progress } from "../render/progress.ts";
import type { Output } from "./output.ts";

/** Shows a preparation as one progress line a phase. Call `done` when it is over. */
export function showPreparation(output: Output): { onProgress(progress: PrepareProgress): void; done(): void } {
  let phase = "";
  let line: Progress | undefined;
  return {
    onProgress(progress) {
      if (progress.phase === "reading") return;
      const [done, total] =
        progress.phase === "merging"
          ? [progress.tokens, progress.tokensWanted]
          : [progress.documents, progress.totalDocuments];
      if (progress.phase !== phase) {
        line?.done();
        phase = progress.phase;
        line = output.progress(LABELS[progress.phase], Math.max(1, total));
      }
      line?.update(done);
    },
    done: () => line?.done(),
  };
}

const LABELS = { counting: "words", merging: "vocabulary", writing: "tokens" } as const;
