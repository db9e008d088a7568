import type { Progress } from "../render/progress.ts";
import type { EvaluationResult } from "../train/evaluate.ts";
import type { TrainEvent } from "../train/trainingRun.ts";
import { compact } from "./format.ts";
import type { Output } from "./output.ts";

/** Shows the events of a training run as one live line and some notes. */
export class TrainDisplay {
  readonly #output: Output;
  #line: Progress | undefined;
  #validation = "";

  constructor(output: Output) {
    this.#output = output;
  }

  show(event: TrainEvent): void {
    switch (event.kind) {
      case "start":
        for (const { dir, reason } of event.skipped) this.#output.note(`skipped ${dir}: ${reason}`);
        if (event.step > 0) this.#output.note(`goes on from step ${event.step} of ${event.steps}`);
        if (event.step < event.steps) this.#line = this.#output.progress("train", event.steps);
        break;
      case "step": {
        const speed = `${compact(event.tokensPerSecond)} tokens/s  ${event.gflopsPerSecond.toFixed(0)} GFLOP/s`;
        const rate = `lr ${event.learningRate.toExponential(1)}  norm ${event.gradientNorm.toFixed(2)}`;
        this.#line?.update(event.step, `loss ${event.losses.lm.toFixed(3)}${this.#validation}  ${speed}  ${rate}`);
        break;
      }
      case "evaluation":
        this.#validation = `  val ${headline(event.result)}`;
        this.#line?.note(`step ${event.step}: ${describe(event.result)}`);
        break;
      case "checkpoint":
        break;
      case "interrupted":
      case "done":
        this.#line?.done();
        break;
    }
  }
}

const CAUSAL_FIRST = ["predictor", "auxiliary", "random", "token", "dense", "topk"] as const;

function headline({ rules }: EvaluationResult): string {
  const rule = CAUSAL_FIRST.find((name) => rules[name] !== null);
  return rule ? rules[rule]!.lossNats.toFixed(3) : "";
}

/** `validation bits per byte: top-k 1.234, predictor 1.236 (capacity 12.1 %, accuracy 97.9 %)`. */
function describe({ rules }: EvaluationResult): string {
  const parts = Object.entries(rules).flatMap(([rule, result]) => {
    if (result === null) return [];
    const quality =
      result.accuracy === undefined || rule === "topk" ? "" : ` (accuracy ${(100 * result.accuracy).toFixed(1)} %)`;
    return [`${rule} ${result.bitsPerByte.toFixed(4)}${quality}`];
  });
  return `validation bits per byte: ${parts.join(", ")}`;
}
