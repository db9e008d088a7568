import { type IncomingHttpHeaders, request } from "node:http";
import { type RunningCli, startMod } from "./cli.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  json<T>(): T;
}

export interface Asking {
  readonly method?: string;
  /** The page's own, if not given; those that are empty are left out. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** `mod ui` as a process, and requests to it as bytes on the wire: nothing is made well-formed on the way. */
export interface RunningUi {
  readonly port: number;
  readonly token: string;
  readonly address: string;
  readonly cli: RunningCli;
  ask(path: string, asking?: Asking): Promise<Answer>;
  /** With the token. */
  post(path: string, body: unknown): Promise<Answer>;
  /** Ctrl-C; gives the exit code. */
  stop(): Promise<number | null>;
}

export async function startUi(cwd: string, ...args: readonly string[]): Promise<RunningUi> {
  const cli = startMod(["ui", "--json", "--threads", "1", ...args], { cwd });
  let stdout = "";
  cli.child.stdout.on("data", (text: string) => {
    stdout += text;
  });
  await cli.until(/^\}$/m);
  const { port, token, address } = JSON.parse(stdout) as { port: number; token: string; address: string };
  const ask = (path: string, asking: Asking = {}) => send(port, path, asking);
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  return {
    ...{ port, token, address, cli, ask },
    post: (path, body) => ask(path, { method: "POST", headers, body: JSON.stringify(body) }),
    stop: async () => {
      cli.child.kill("SIGINT");
      return (await cli.result).code;
    },
  };
}

function send(port: number, path: string, { method = "GET", headers = {}, body }: Asking): Promise<Answer> {
  const all = { Host: `127.0.0.1:${port}`, ...headers };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers: given, setHost: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode!, headers: response.headers, text, json: () => JSON.parse(text) }),
      );
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

export interface StreamedEvent {
  readonly event: string;
  readonly id: string;
  readonly data: never;
}

/** Reads server-sent events until `isEnough`, then leaves. */
export async function readEvents(
  address: string,
  isEnough: (events: readonly StreamedEvent[]) => boolean,
  headers: Readonly<Record<string, string>> = {},
): Promise<StreamedEvent[]> {
  const leave = new AbortController();
  const response = await fetch(address, { headers, signal: leave.signal });
  if (response.status !== 200) throw new Error(`events: must be 200, got ${response.status}: ${await response.text()}`);
  const events: StreamedEvent[] = [];
  let rest = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
      if (field("event") !== "")
        events.push({ event: field("event"), id: field("id"), data: JSON.parse(field("data")) as never });
    }
    if (isEnough(events)) break;
  }
  leave.abort();
  return events;
}

/** Asks again and again until the answer is as wanted. */
export async function eventually<T>(ask: () => Promise<T>, isWanted: (value: T) => boolean, ms = 60_000): Promise<T> {
  for (const end = Date.now() + ms; ; ) {
    const value = await ask();
    if (isWanted(value)) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms, last got ${JSON.stringify(value).slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
