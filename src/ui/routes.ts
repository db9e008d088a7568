import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { PRESETS } from "../config/presets.ts";
import { GATES } from "../model/config.ts";
import { RULES } from "../model/rules.ts";
import { packageVersion } from "../run/provenance.ts";
import type { ServerInfo } from "./api.ts";
import { EventStream } from "./eventStream.ts";
import { hasToken } from "./guard.ts";
import { readBody, sendBytes, sendJson } from "./http.ts";
import { HttpError } from "./httpError.ts";
import type { Models } from "./models.ts";
import type { Reader } from "./reader.ts";
import type { RunsFolder } from "./runsFolder.ts";
import type { Training } from "./training.ts";

/** What requests work on. */
export interface Services {
  readonly folder: RunsFolder;
  readonly reader: Reader;
  readonly training: Training;
  readonly models: Models;
  readonly token: string;
  /** As the user named it. */
  readonly runsName: string;
  readonly hasStudies: boolean;
}

interface Exchange extends Services {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the route's `:id`, decoded. */
  readonly id: string;
}

interface Route {
  readonly method: "GET" | "POST";
  /** Parts of the address, `:id` for any one. */
  readonly path: string;
  /** Whether it starts, stops or computes something: those need the token. */
  readonly isWork?: boolean;
  answer(exchange: Exchange): Promise<void> | void;
}

/** More than a page can show, and some minutes of a small model's time. */
const TEXT_CHARACTERS = 20_000;
const startSchema = z.strictObject({
  name: z.string(),
  preset: z.string().refine((name) => PRESETS.some((preset) => preset.name === name), "must be a preset"),
  seed: z.int().min(0).optional(),
  steps: z.int().min(1).optional(),
  capacityRatio: z.number().gt(0).max(1).optional(),
  gate: z.enum(GATES).optional(),
  // A word that begins with a dash would be an option of the command that it is handed to.
  data: z.array(z.string().regex(/^[^-]/)).min(1).max(100).optional(),
});
const inspectSchema = z.strictObject({ text: z.string().max(TEXT_CHARACTERS), rule: z.enum(RULES).optional() });
const generateSchema = z.strictObject({
  prompt: z.string().max(TEXT_CHARACTERS),
  rule: z.enum(RULES).exclude(["topk"]).optional(),
  tokens: z.int().min(1).max(10_000).optional(),
  temperature: z.number().min(0).optional(),
  topK: z.int().min(0).optional(),
  topP: z.number().min(0).max(1).optional(),
  minP: z.number().min(0).max(1).optional(),
  repetitionPenalty: z.number().gt(0).optional(),
  seed: z.int().min(0).optional(),
  stop: z.array(z.string().min(1)).optional(),
});

const ROUTES: readonly Route[] = [
  { method: "GET", path: "server", answer: (exchange) => sendJson(exchange.response, serverInfo(exchange)) },
  {
    method: "GET",
    path: "runs",
    answer: async ({ response, reader, training }) =>
      sendJson(response, { runs: training.complete(await reader.list()) }),
  },
  {
    method: "GET",
    path: "events",
    answer: ({ request, response, reader, training }) =>
      EventStream.open(request, response, { reader, list: async () => training.complete(await reader.list()) }),
  },
  {
    method: "GET",
    path: "runs/:id/metrics",
    answer: async ({ response, reader, id }) => {
      const bytes = await reader.metrics(id);
      if (bytes === null) throw noRun(id);
      sendBytes(response, bytes, "application/octet-stream");
    },
  },
  {
    method: "POST",
    path: "runs",
    isWork: true,
    answer: async ({ request, response, training }) =>
      sendJson(response, { id: training.start(withoutUndefined(await readBody(request, startSchema))) }, 202),
  },
  {
    method: "POST",
    path: "runs/:id/stop",
    isWork: true,
    answer: ({ response, training, id }) => {
      training.stop(id);
      sendJson(response, { id }, 202);
    },
  },
  {
    method: "POST",
    path: "runs/:id/resume",
    isWork: true,
    answer: ({ response, training, id }) => {
      training.resume(id);
      sendJson(response, { id }, 202);
    },
  },
  { method: "POST", path: "runs/:id/inspect", isWork: true, answer: inspect },
  { method: "POST", path: "runs/:id/generate", isWork: true, answer: generate },
  {
    method: "GET",
    path: "studies",
    answer: async ({ response, reader }) => sendJson(response, { studies: await reader.studies() }),
  },
  {
    method: "GET",
    path: "studies/:id",
    answer: async ({ response, reader, id }) => {
      const study = await reader.study(id);
      if (study === null) throw new HttpError(404, `there is no study "${id}"`);
      sendJson(response, study);
    },
  },
];

const noRun = (id: string) => new HttpError(404, `there is no run "${id}"`);

/** Answers a request below /api/. */
export async function answerApi(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  services: Services,
): Promise<void> {
  const parts = path.split("/").map(decodePart);
  const matching = ROUTES.flatMap((route) => {
    const id = match(route.path.split("/"), parts);
    return id === null ? [] : [{ route, id }];
  });
  if (matching.length === 0) throw new HttpError(404, `there is no /api/${path}`);
  const found = matching.find(({ route }) => route.method === request.method);
  if (found === undefined) throw new HttpError(405, `/api/${path} does not take ${request.method}`);
  if (found.route.isWork && !hasToken(request, services.token)) {
    throw new HttpError(401, "this needs the token in the address that mod ui printed; open that address again");
  }
  await found.route.answer({ ...services, request, response, id: found.id });
}

/** The part that stands for `:id` (empty if there is none), or null where the parts are others. */
function match(wanted: readonly string[], parts: readonly string[]): string | null {
  if (wanted.length !== parts.length) return null;
  if (!wanted.every((part, i) => part === ":id" || part === parts[i])) return null;
  return parts[wanted.indexOf(":id")] ?? "";
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpError(400, `the address must be well-formed, got "${part}"`);
  }
}

function serverInfo({ request, token, runsName, hasStudies }: Exchange): ServerInfo {
  return {
    ...{ version: packageVersion(), runsFolder: runsName, hasStudies, isAllowed: hasToken(request, token) },
    presets: PRESETS.map(({ name, summary, config }) => {
      const kind = config.model.routing?.kind ?? "none";
      return { name, summary, isRouted: kind !== "none", isLearned: kind === "learned" };
    }),
  };
}

async function inspect({ request, response, folder, models, id }: Exchange): Promise<void> {
  const body = withoutUndefined(await readBody(request, inspectSchema));
  sendJson(response, await models.inspect(dirOf(folder, id), body));
}

/** A line of JSON for each token, as it comes. */
async function generate({ request, response, folder, models, id }: Exchange): Promise<void> {
  const body = withoutUndefined(await readBody(request, generateSchema));
  const dir = dirOf(folder, id);
  const leave = new AbortController();
  response.on("close", () => leave.abort());
  const start = () => {
    if (response.headersSent) return;
    response.writeHead(200, { "Content-Type": "application/x-ndjson", "Cache-Control": "no-store" });
  };
  const write = (line: unknown) => {
    start();
    response.write(`${JSON.stringify(line)}\n`);
  };
  try {
    await models.generate(dir, body, write, leave.signal);
  } catch (error) {
    if (!response.headersSent) throw error;
    write({ kind: "error", message: (error as Error).message });
  }
  start();
  response.end();
}

function dirOf(folder: RunsFolder, id: string): string {
  const dir = folder.resolve(id);
  if (dir === null) throw noRun(id);
  return dir;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Optional fields that are missing rather than undefined. */
const withoutUndefined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<T>;
