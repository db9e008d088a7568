import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll } from "vitest";
import { engineAssets, ISOLATION_HEADERS } from "../../web/engine/vite.ts";
import { workFolder } from "../support/cli.ts";
import type { PageApi } from "./page/main.ts";

/** Debian's chromium, whose package brings SwiftShader: WebGPU without a GPU. */
const CHROMIUM = process.env.MOD_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = {
  withWebGpu: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
  without: ["--no-sandbox", "--disable-features=WebGPU", "--disable-gpu"],
};

export const hasChromium = (): boolean => existsSync(CHROMIUM);

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** A built site with the engine, served on this machine, and a browser for it. */
interface EngineSite {
  /** A fresh page with the engine in it. Without isolation it is served as by a host that sends no such headers. */
  open(options?: { readonly isolated?: boolean; readonly webgpu?: boolean }): Promise<Page>;
  close(): Promise<void>;
}

/** A site and a browser for the tests of a file, and a page to call: its functions, with their types. */
export function useEngineSite() {
  const folder = workFolder();
  let site: EngineSite | undefined;
  let page: Page | undefined;
  beforeAll(async () => {
    site = await startEngineSite();
    page = await site.open();
  });
  afterAll(async () => {
    await site?.close();
    folder.remove();
  });
  return {
    /** A temporary folder. */
    folder: folder.dir,
    open: (options: Parameters<EngineSite["open"]>[0]) => site!.open(options),
    call: <Name extends keyof PageApi>(name: Name, ...args: Parameters<PageApi[Name]>) =>
      callPage(page!, name, ...args),
  };
}

/** Calls a function of a page. */
export function callPage<Name extends keyof PageApi>(
  page: Page,
  name: Name,
  ...args: Parameters<PageApi[Name]>
): Promise<Awaited<ReturnType<PageApi[Name]>>> {
  return page.evaluate(
    ([method, list]) =>
      (globalThis as unknown as { api: Record<string, (...all: unknown[]) => never> }).api[method]!(...list),
    [name, args] as const,
  );
}

async function startEngineSite(): Promise<EngineSite> {
  const dir = mkdtempSync(path.join(tmpdir(), "mod-site-"));
  await build({
    root: path.join(import.meta.dirname, "page"),
    base: "./",
    logLevel: "error",
    build: { outDir: dir, emptyOutDir: true, target: "es2023", minify: false },
    plugins: [engineAssets()],
  });
  const servers = { isolated: await serve(dir, true), plain: await serve(dir, false) };
  const browsers: Browser[] = [];
  const launch = async (args: string[]) => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args });
    browsers.push(browser);
    return browser;
  };
  const usual = await launch(FLAGS.withWebGpu);
  return {
    open: async ({ isolated = true, webgpu = true } = {}) =>
      openPage(webgpu ? usual : await launch(FLAGS.without), isolated ? servers.isolated : servers.plain),
    close: async () => {
      for (const browser of browsers) await browser.close();
      for (const server of Object.values(servers)) server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function openPage(browser: Browser, server: Server): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
  await page.waitForFunction("globalThis.api !== undefined");
  return page;
}

function serve(dir: string, isIsolated: boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const file = path.join(dir, path.normalize(new URL(request.url!, "http://site").pathname));
    if (!file.startsWith(dir) || !existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream",
      ...(isIsolated && ISOLATION_HEADERS),
    });
    return response.end(readFileSync(file));
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
