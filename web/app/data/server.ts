/** Requests to the local server. */
import type { ErrorAnswer, ServerInfo, StartRun, StudySummary, StudyView } from "../../../src/ui/api.ts";
import { isLocal } from "../url.ts";

const KEY = "mod.token";

/** Takes the token out of the address that mod ui opened, so that it stands in no bookmark and no screenshot. */
export function keepToken(): void {
  const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? [];
  if (token === undefined) return;
  localStorage.setItem(KEY, token);
  history.replaceState(null, "", `${location.pathname}#/`);
}

export class ServerError extends Error {
  override name = "ServerError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const GONE = "The server does not answer: mod ui was ended, or this machine slept. Start it again with: npx mod ui";

/** Sends a request, with the token; rejects with what the server says is wrong. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { Authorization: `Bearer ${localStorage.getItem(KEY) ?? ""}`, ...init.headers };
  let response: Response;
  try {
    response = await fetch(`api/${path}`, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ServerError(0, GONE);
  }
  if (response.ok) return response;
  const { error } = (await response
    .json()
    .catch(() => ({ error: `the server answered ${response.status}` }))) as ErrorAnswer;
  throw new ServerError(response.status, error);
}

export const post = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });

const json = async <T>(answer: Promise<Response>): Promise<T> => (await (await answer).json()) as T;

export const serverInfo = (): Promise<ServerInfo> => json(ask("server"));
export const startRun = (wish: StartRun): Promise<{ readonly id: string }> => json(post("runs", wish));
export const runPath = (id: string, what: string): string => `runs/${encodeURIComponent(id)}/${what}`;
export const stopRun = (id: string): Promise<Response> => post(runPath(id, "stop"), {});
export const resumeRun = (id: string): Promise<Response> => post(runPath(id, "resume"), {});

/** Studies: the server's, or those that came with the static site. */
export async function listStudies(): Promise<readonly StudySummary[]> {
  const source = isLocal() ? ask("studies") : fetch("studies/index.json");
  return (await json<{ studies: readonly StudySummary[] }>(source)).studies;
}

export const readStudy = (id: string): Promise<StudyView> =>
  json(isLocal() ? ask(`studies/${encodeURIComponent(id)}`) : fetch(`studies/${encodeURIComponent(id)}.json`));
