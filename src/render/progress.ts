/** A progress line for long work: live on a terminal, a plain line now and then elsewhere. */
import pc from "picocolors";
import { wantsColor } from "./color.ts";
import { displayWidth, escapeUnprintable } from "./tokenText.ts";

/** What it takes of a stream: `process.stderr`, or any other. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface ProgressOptions {
  /** Amount of work, in any unit: steps, files, bytes. */
  readonly total: number;
  readonly label: string;
  /** Default standard error, which leaves standard output to results. */
  readonly stream?: ProgressStream;
  /** Clock in milliseconds; tests have their own. */
  readonly now?: () => number;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Progress {
  /** `done` of `total` is done; `text` says more, such as the loss. */
  update(done: number, text?: string): void;
  /** Writes a line of its own, above the live one. */
  note(line: string): void;
  /** Ends the line, with the time it took. Later calls do nothing. */
  done(text?: string): void;
}

interface Moment {
  readonly done: number;
  readonly ms: number;
}

const BAR_WIDTH = 24;
const REDRAW_EVERY_MS = 100;
const PLAIN_LINE_EVERY_MS = 10_000;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[2K";

/** Starts a progress line. On a terminal it is redrawn in place; elsewhere there is a line every 10 s at most, and a last one. */
export function createProgress(options: ProgressOptions): Progress {
  const { total } = options;
  if (!(Number.isFinite(total) && total > 0)) {
    throw new Error(
      `createProgress: total must be a number above 0, got ${total}; show no progress where nothing is to be done`,
    );
  }
  return new ProgressLine(options);
}

class ProgressLine implements Progress {
  readonly #total: number;
  readonly #label: string;
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  readonly #paint: ReturnType<typeof pc.createColors>;
  readonly #isLive: boolean;
  readonly #startedMs: number;
  /** A resumed run starts in the middle: its speed is that of what is done from here on. */
  #first: Moment | null = null;
  #last: Moment;
  #text = "";
  #writtenMs = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor({ total, label, stream = process.stderr, now = Date.now, env = process.env }: ProgressOptions) {
    this.#total = total;
    this.#label = label;
    this.#stream = stream;
    this.#now = now;
    this.#paint = pc.createColors(wantsColor(stream, env));
    this.#isLive = stream.isTTY === true && env.TERM !== "dumb";
    this.#startedMs = now();
    this.#last = { done: 0, ms: this.#startedMs };
  }

  update(done: number, text = ""): void {
    if (this.#isOver) return;
    this.#last = { done, ms: this.#now() };
    this.#first ??= this.#last;
    this.#text = text;
    const everyMs = this.#isLive ? REDRAW_EVERY_MS : PLAIN_LINE_EVERY_MS;
    if (this.#last.ms - this.#writtenMs >= everyMs) this.#write(etaText(this.#first, this.#last, this.#total), "");
  }

  note(line: string): void {
    this.#stream.write(this.#isLive ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
    if (this.#isLive && this.#first && !this.#isOver) this.#write(etaText(this.#first, this.#last, this.#total), "");
  }

  done(text = this.#text): void {
    if (this.#isOver) return;
    this.#last = { done: this.#last.done, ms: this.#now() };
    this.#text = text;
    this.#write(`in ${duration(this.#last.ms - this.#startedMs)}`, "\n");
    this.#isOver = true;
  }

  #write(timing: string, end: string): void {
    this.#stream.write(this.#isLive ? `${CLEAR_LINE}${this.#line(timing)}${end}` : `${this.#line(timing)}\n`);
    this.#writtenMs = this.#last.ms;
  }

  #line(timing: string): string {
    const fraction = Math.min(1, Math.max(0, this.#last.done / this.#total));
    const percent = `${Math.floor(fraction * 100)}%`.padStart(4);
    const counts = `${percent}  ${this.#last.done}/${this.#total}`;
    const rest = [timing, escapeUnprintable(this.#text)].filter((part) => part !== "").join("  ");
    if (!this.#isLive) return `${this.#label} ${counts}  ${rest}`.trimEnd();
    const columns = (this.#stream.columns || DEFAULT_COLUMNS) - 1;
    const beside = columns - displayWidth(this.#label) - counts.length - 4;
    const barWidth = Math.max(0, Math.min(BAR_WIDTH, beside));
    const paint = this.#paint;
    return `${paint.bold(this.#label)} ${bar(fraction, barWidth, paint)} ${counts}  ${paint.dim(shorten(rest, beside - barWidth))}`;
  }
}

/** Time in the two largest units that matter: `45 s`, `3 min 20 s`, `2 h 05 min`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

function etaText(first: Moment | null, last: Moment, total: number): string {
  if (!first || last.done <= first.done || last.ms <= first.ms) return "";
  const msPerUnit = (last.ms - first.ms) / (last.done - first.done);
  return `${duration(Math.max(0, total - last.done) * msPerUnit)} left`;
}

function bar(fraction: number, width: number, paint: ReturnType<typeof pc.createColors>): string {
  const filled = Math.floor(fraction * width);
  return paint.cyan("█".repeat(filled)) + paint.dim("░".repeat(width - filled));
}

/** A line longer than the terminal would wrap, and could not be redrawn in place. */
function shorten(text: string, room: number): string {
  if (displayWidth(text) <= room) return text;
  let kept = "";
  for (const char of text) {
    if (displayWidth(kept + char) > room - 1) break;
    kept += char;
  }
  return room > 0 ? `${kept}…` : "";
}

function pad(count: number): string {
  return String(count).padStart(2, "0");
}
