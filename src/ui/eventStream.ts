import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { Cursor, RunSummary, StreamEvents } from "./api.ts";
import { HttpError } from "./httpError.ts";
import type { Reader } from "./reader.ts";

/** How often files are looked at while somebody watches. */
const ROWS_MS = 500;
const LIST_MS = 2000;
/** A comment line as often: a connection that is gone is found out by it. */
const BEAT_MS = 15_000;
const MOST_WATCHED = 16;

const cursors = z.record(
  z.string(),
  z.strictObject({ file: z.string(), steps: z.int().min(0), evaluations: z.int().min(0) }),
);

/**
 * Sends what changes, as server-sent events: the list of runs, and new metrics of the runs that are watched. The id of each
 * message says how far the reader is in each of them, so that a reader who comes back (`Last-Event-ID`) misses nothing, even if
 * another server answers then.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #reader: Pick<Reader, "rowsSince">;
  readonly #list: () => Promise<readonly RunSummary[]>;
  readonly #cursors: Record<string, Cursor>;
  #known = new Map<string, string>();
  /** Whether all runs are to be told, not only those that changed. */
  #isFirst = true;
  #problem: string | null = null;
  #timers: NodeJS.Timeout[] = [];

  private constructor(
    response: ServerResponse,
    sources: { readonly reader: Pick<Reader, "rowsSince">; list(): Promise<readonly RunSummary[]> },
    watched: Record<string, Cursor>,
  ) {
    this.#response = response;
    this.#reader = sources.reader;
    this.#list = sources.list;
    this.#cursors = watched;
  }

  /** Answers a request with events until its reader is gone. */
  static open(
    request: IncomingMessage,
    response: ServerResponse,
    sources: { readonly reader: Pick<Reader, "rowsSince">; list(): Promise<readonly RunSummary[]> },
  ): void {
    const asked = new URL(request.url ?? "/", "http://localhost").searchParams.get("watch") ?? "{}";
    const stream = new EventStream(response, sources, parseCursors(resumed(request, asked)));
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
    });
    response.write("retry: 1000\n\n");
    stream.#start();
    response.on("close", () => stream.#stop());
  }

  #start(): void {
    this.#every(LIST_MS, () => this.#sendList().catch((error: Error) => this.#sendProblem(error.message)));
    this.#every(ROWS_MS, () => this.#sendRows());
    const beat = setInterval(() => this.#response.write(":\n\n"), BEAT_MS);
    this.#timers.push(beat);
  }

  /** Again and again, never twice at a time, and no more than a tenth of the time. */
  #every(ms: number, work: () => Promise<void>): void {
    const i = this.#timers.length;
    const turn = async () => {
      const started = performance.now();
      await work();
      const wait = Math.max(ms, 9 * (performance.now() - started));
      if (!this.#response.destroyed) this.#timers[i] = setTimeout(turn, wait);
    };
    this.#timers.push(setTimeout(turn, 0));
  }

  #stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #sendList(): Promise<void> {
    const runs = await this.#list();
    const now = new Map(runs.map((run) => [run.id, JSON.stringify(run)]));
    const changed = runs.filter(({ id }) => now.get(id) !== this.#known.get(id));
    const gone = [...this.#known.keys()].filter((id) => !now.has(id));
    this.#known = now;
    if (changed.length === 0 && gone.length === 0 && !this.#isFirst) return;
    this.#send("runs", { changed, gone, isAll: this.#isFirst });
    this.#isFirst = false;
    this.#problem = null;
  }

  #sendProblem(message: string): void {
    if (message === this.#problem) return;
    this.#problem = message;
    [this.#isFirst, this.#known] = [true, new Map()];
    this.#send("problem", { message });
  }

  async #sendRows(): Promise<void> {
    for (const [id, cursor] of Object.entries(this.#cursors)) {
      // What cannot be read for a moment holds no other run up: the next turn looks again.
      const rows = await this.#reader.rowsSince(id, cursor).catch(() => null);
      if (rows === null) continue;
      this.#cursors[id] = rows.cursor;
      this.#send("rows", rows);
    }
  }

  #send<K extends keyof StreamEvents>(event: K, data: StreamEvents[K]): void {
    const id = Buffer.from(JSON.stringify(this.#cursors)).toString("base64url");
    this.#response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

function resumed({ headers }: IncomingMessage, asked: string): string {
  const last = headers["last-event-id"];
  return typeof last === "string" && last !== "" ? Buffer.from(last, "base64url").toString("utf8") : asked;
}

function parseCursors(text: string): Record<string, Cursor> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpError(400, "watch must be JSON");
  }
  const parsed = cursors.safeParse(value);
  if (!parsed.success) throw new HttpError(400, "watch must hold a cursor for each run");
  if (Object.keys(parsed.data).length > MOST_WATCHED) {
    throw new HttpError(400, `at most ${MOST_WATCHED} runs may be watched at a time`);
  }
  return parsed.data;
}
