import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { checkSource } from "./guard.ts";
import { SECURITY_HEADERS, sendBytes, sendJson } from "./http.ts";
import { HttpError } from "./httpError.ts";
import { Models } from "./models.ts";
import { openReader } from "./reader.ts";
import { answerApi, type Services } from "./routes.ts";
import { RunsFolder } from "./runsFolder.ts";
import { Training } from "./training.ts";
import { WebFiles } from "./webFiles.ts";

export interface UiOptions {
  /** Folder of runs, or one run. */
  readonly runs: string;
  /** Folder of studies, if there is one. */
  readonly studies: string | null;
  /** The built page. */
  readonly web: string;
  /** A loopback address. */
  readonly host: string;
  /** 0 takes any that is free; one that is taken is an error, unless `orNext`. */
  readonly port: number;
  /** Whether the ports after it may be tried. */
  readonly orNext: boolean;
  /** Program and first arguments of this package's command line. */
  readonly mod: readonly string[];
  readonly cwd: string;
  /** Threads of the process that looks into models; all there are, if not given. */
  readonly threads?: number;
}

export interface UiServer {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** Training processes that were started from the page and are at work. */
  readonly training: number;
  /** Ends it; runs that were started from the page are saved first. */
  close(): Promise<void>;
}

const TRIED_PORTS = 20;
const TOKEN_BYTES = 24;

/** Serves the page and what it asks for, on loopback. */
export async function startUi(options: UiOptions): Promise<UiServer> {
  const { runs, studies, web, mod, cwd, threads } = options;
  const folder = new RunsFolder(runs);
  const files = new WebFiles(web);
  const training = new Training({ folder, mod, cwd });
  const models = new Models(threads);
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  const reader = await openReader({ runs, studies });
  const services = { folder, reader, training, models, token, runsName: runs, hasStudies: studies !== null };
  const server = createServer((request, response) => void answer(request, response, files, services));
  // A page that waits for events is silent for long; one that sends its request slowly is not.
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  try {
    await listen(server, options);
  } catch (error) {
    await reader.stop();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    ...{ host: options.host, port, token },
    get training() {
      return training.running;
    },
    async close() {
      await training.close();
      models.close();
      server.close();
      server.closeAllConnections();
      await reader.stop();
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, files: WebFiles, services: Services) {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  try {
    checkSource(request);
    const [path = "/"] = (request.url ?? "/").split("?");
    if (path.startsWith("/api/")) await answerApi(request, response, path.slice("/api/".length), services);
    else await sendFile(request, response, path, files);
  } catch (error) {
    refuse(request, response, error);
  }
}

async function sendFile({ method }: IncomingMessage, response: ServerResponse, path: string, files: WebFiles) {
  if (method !== "GET" && method !== "HEAD") throw new HttpError(405, `${path} does not take ${method}`);
  const file = files.find(path);
  if (file === undefined) throw new HttpError(404, "there is no such page");
  sendBytes(response, await file.read(), file.type, file.isFixed ? "public, max-age=31536000, immutable" : "no-cache");
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const { message } = error as Error;
  const status = error instanceof HttpError ? error.status : 500;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  // What is left of a body that is too large is not waited for.
  if (status === 413) response.setHeader("Connection", "close");
  sendJson(response, { error: message }, status);
  if (status === 413) response.on("finish", () => request.destroy());
}

async function listen(server: Server, { host, port, orNext }: UiOptions): Promise<void> {
  for (let tried = 0; ; tried++) {
    try {
      await listenOn(server, host, port + tried);
      return;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "EADDRINUSE" && orNext && tried < TRIED_PORTS) continue;
      const reason = code === "EADDRINUSE" ? "it is taken" : message;
      throw new Error(`ui: port ${port + tried} of ${host} must be free, got that ${reason}; use another --port`, {
        cause,
      });
    }
  }
}

const listenOn = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
