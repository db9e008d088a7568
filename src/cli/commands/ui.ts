import { existsSync, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { openBrowser } from "../../ui/openBrowser.ts";
import { startUi, type UiServer } from "../../ui/server.ts";
import { defineCommand } from "../command.ts";
import type { Output } from "../output.ts";
import { jsonOption, runtimeOptions, whole } from "../sharedOptions.ts";
import { stopOnSignal } from "../stopOnSignal.ts";

const DEFAULT_RUNS = "runs";
const DEFAULT_STUDIES = "studies";
const DEFAULT_PORT = 4180;

/** As far above dist/cli/commands as dist/web is below dist. */
const WEB = fileURLToPath(new URL("../../web", import.meta.url));
const MOD = fileURLToPath(new URL("../mod.js", import.meta.url));

const options = z.strictObject({
  host: z
    .enum(["127.0.0.1", "::1", "localhost"])
    .default("127.0.0.1")
    .describe("loopback address to listen on; there is no other"),
  port: whole(0)
    .refine((port) => port < 65_536, "must be below 65536")
    .optional()
    .describe(`port to listen on; 0 takes any (default: ${DEFAULT_PORT}, or the next that is free)`),
  open: z.boolean().default(true).describe("do not open the browser"),
  studies: z
    .string()
    .optional()
    .describe(`folder of studies to show (default: ${DEFAULT_STUDIES}, if there is one)`)
    .meta({ value: "dir" }),
  threads: runtimeOptions.threads.describe("threads for looking into models and sampling (default: all)"),
  ...jsonOption,
});

export const ui = defineCommand({
  description:
    "Opens a page, served from this machine to this machine alone, on which runs are watched, started, stopped, resumed and compared, models looked into token by token and sampled from, and studies read. The address it prints holds the token that starts and stops work. Ctrl-C ends it; runs that were started from the page are saved first.",
  arguments: [{ name: "runs", description: "folder of runs, or one run (default: runs)", isOptional: true }],
  options,
  examples: ["mod ui", "mod ui runs/books --no-open", "mod ui ~/runs --port 8000 --studies ~/studies"],
  async run({ args: [runs], options: given, output }) {
    const server = await startUi({
      runs: runs ?? defaultRuns(),
      studies: studiesFolder(given.studies),
      ...{ web: WEB, host: given.host, mod: [process.execPath, MOD], cwd: process.cwd() },
      ...{ port: given.port ?? DEFAULT_PORT, orNext: given.port === undefined },
      ...(given.threads && { threads: given.threads }),
    });
    announce(server, runs ?? DEFAULT_RUNS, output);
    const forget = given.open && !output.json ? openBrowser(addressOf(server)) : () => {};
    await untilStopped(server, output);
    forget();
    return undefined;
  },
});

/** Before the first run there is no folder yet. */
function defaultRuns(): string {
  mkdirSync(DEFAULT_RUNS, { recursive: true });
  return DEFAULT_RUNS;
}

function studiesFolder(given: string | undefined): string | null {
  const dir = given ?? DEFAULT_STUDIES;
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return path.resolve(dir);
  if (given === undefined) return null;
  throw new Error(`ui: --studies must be a folder, got ${existsSync(dir) ? "a file" : "nothing there"} at ${dir}`);
}

/** The token stands behind #: browsers send that part to nobody. */
const addressOf = ({ host, port, token }: UiServer): string =>
  `http://${host === "::1" ? "[::1]" : host}:${port}/#token=${token}`;

function announce(server: UiServer, runs: string, output: Output): void {
  const address = addressOf(server);
  if (output.json) output.document({ address, host: server.host, port: server.port, token: server.token, runs });
  output.print(`runs in ${runs}: ${address}`);
  output.note("Ctrl-C ends it");
}

async function untilStopped(server: UiServer, output: Output): Promise<void> {
  const stop = stopOnSignal(() => {
    if (server.training > 0) output.note("\nsaving the runs that were started here; Ctrl-C again ends at once");
  });
  await new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
  await server.close();
  stop.release();
}
