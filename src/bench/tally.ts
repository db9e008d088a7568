/** Where a benchmark tells how far it is: a progress line of src/render is one. */
export interface BenchProgress {
  update(done: number, text?: string): void;
  note(line: string): void;
  done(): void;
}

/** Counts what is done of a total. */
export class Tally {
  readonly #progress: BenchProgress;
  #done = 0;

  constructor(progress: BenchProgress) {
    this.#progress = progress;
  }

  /** Says what begins now. */
  begin(text: string): void {
    this.#progress.update(this.#done, text);
  }

  /** Counts `amount` as done, or as given up. */
  count(amount = 1): void {
    this.#done += amount;
  }

  note(line: string): void {
    this.#progress.note(line);
  }

  end(): void {
    this.#progress.update(this.#done);
    this.#progress.done();
  }
}
