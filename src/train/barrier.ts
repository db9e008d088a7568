import { nextTurn } from "../runtime/nextTurn.ts";
import { sharedBuffer } from "./sharedMemory.ts";

/** Places of the shared counters. */
const [ARRIVED, ROUND, FAILED] = [0, 1, 2];

/** How long a thread waits awake. To sleep and be woken takes milliseconds where every core has work. */
const AWAKE_MS = 50;

/** Where replicas wait for one another, on threads of their own or, by turns, on one. */
export class Barrier {
  readonly #counters: Int32Array;
  readonly #count: number;
  readonly #isThread: boolean;

  /**
   * @param counters of `counters()`, shared by all
   * @param count replicas that wait
   * @param isThread whether each has a thread, which waiting may block
   */
  constructor(counters: Int32Array, count: number, isThread: boolean) {
    this.#counters = counters;
    this.#count = count;
    this.#isThread = isThread;
  }

  static counters = (): Int32Array => new Int32Array(sharedBuffer(12));

  /**
   * Waits until all have come.
   *
   * @throws if another gave up
   */
  async pass(): Promise<void> {
    const counters = this.#counters;
    const round = Atomics.load(counters, ROUND);
    if (Atomics.add(counters, ARRIVED, 1) + 1 === this.#count) {
      Atomics.store(counters, ARRIVED, 0);
      Atomics.add(counters, ROUND, 1);
      Atomics.notify(counters, ROUND);
      return;
    }
    const asleepFrom = performance.now() + AWAKE_MS;
    while (Atomics.load(counters, ROUND) === round) {
      if (Atomics.load(counters, FAILED) !== 0)
        throw new Error("train: all replicas must reach a step's end, one gave up");
      if (!this.#isThread) await nextTurn();
      else if (performance.now() > asleepFrom) Atomics.wait(counters, ROUND, round, 100);
    }
  }

  /** Lets no other wait any longer. */
  giveUp(): void {
    Atomics.store(this.#counters, FAILED, 1);
    Atomics.notify(this.#counters, ROUND);
  }
}
