import type { Progress } from "../render/progress.ts";
import type { WorkerEvent } from "../study/studyWorker.ts";
import type { Output } from "./output.ts";

type End = "finished" | "failed" | "interrupted";

/** Work is shown in GFLOPs: runs differ too much in length to be counted. */
const UNIT = 1e9;

/** Shows what several workers tell as one live line, and the ends of runs as notes. */
export class StudyProgress {
  readonly #flops: ReadonlyMap<string, number>;
  readonly #line: Progress;
  /** FLOPs done of each run. */
  readonly #done = new Map<string, number>();
  /** How runs ended; several workers may find the same one impossible. */
  readonly #ends = new Map<string, End>();
  /** How far the runs under way are. */
  readonly #current = new Map<string, string>();

  constructor(runs: readonly { readonly id: string; readonly flops: number }[], output: Output) {
    this.#flops = new Map(runs.map(({ id, flops }) => [id, flops]));
    this.#line = output.progress("study", Math.max(1, inUnits(this.#flops)));
  }

  show({ id, kind, step, steps, error }: WorkerEvent): void {
    const share = kind === "finished" ? 1 : step / steps;
    this.#done.set(id, share * (this.#flops.get(id) ?? 0));
    if (kind === "finished" || kind === "failed" || kind === "interrupted") {
      this.#current.delete(id);
      this.#ends.set(id, kind);
      const words = { finished: "done", failed: `failed: ${error}`, interrupted: `saved at step ${step}` }[kind];
      const { finished, failed } = this.counts;
      this.#line.note(`${id}: ${words} (${finished + failed} of ${this.#flops.size})`);
    } else {
      this.#current.set(id, `${Math.floor(100 * share)} %`);
    }
    this.#line.update(inUnits(this.#done), [...this.#current].map((run) => run.join(" ")).join(", "));
  }

  /** Runs by how they ended. */
  get counts(): Record<End, number> {
    const count = (kind: End) => [...this.#ends.values()].filter((end) => end === kind).length;
    return { finished: count("finished"), failed: count("failed"), interrupted: count("interrupted") };
  }

  done(): void {
    this.#line.done();
  }
}

const inUnits = (flops: ReadonlyMap<string, number>): number =>
  Math.round([...flops.values()].reduce((a, b) => a + b, 0) / UNIT);
