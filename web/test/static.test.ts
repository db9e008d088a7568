/** The same files on a plain static host, without a server of ours. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modOk, ROOT, shortTraining, workFolder } from "../../test/support/cli.ts";
import { hasChromium, launch, leave, NEEDS_CHROMIUM, overflow, visit } from "./support/browser.ts";
import { startTraining } from "./support/training.ts";

const SITE = path.join(ROOT, "dist/web");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

test("the first load is under 1 MB, compressed, and nothing comes from elsewhere", () => {
  const html = readFileSync(path.join(SITE, "index.html"), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name]) => name!);
  // With what these import before they run; the engine is imported when a page needs it.
  const loaded = new Set(named);
  for (const name of loaded) {
    const text = readFileSync(path.join(SITE, name), "utf8");
    for (const [, other] of text.matchAll(/(?:^|[;}])import(?:[\w${},* ]*from)?"\.\/([^"]+)"/g))
      loaded.add(`assets/${other}`);
  }
  expect([...loaded].filter((name) => /engine|worker|ort/i.test(name))).toEqual([]);
  const texts = ["index.html", ...loaded].map((name) => readFileSync(path.join(SITE, name)));
  // Of the fonts the Latin one, which is compressed as it is.
  const latin = readdirSync(path.join(SITE, "assets")).find((name) => /latin-wght/.test(name) && !/ext/.test(name))!;
  const bytes = texts.reduce(
    (sum, text) => sum + gzipSync(text).byteLength,
    statSync(path.join(SITE, "assets", latin)).size,
  );
  console.log(`first load: ${(bytes / 1024).toFixed(0)} KiB`);
  expect(bytes).toBeLessThan(1 << 20);
  expect(html).toContain('data-server="none"');
  expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
});

describe.skipIf(!hasChromium())(`static site ${NEEDS_CHROMIUM}`, () => {
  let [browser, server, address]: [Browser, Server, string] = [undefined as never, undefined as never, ""];
  const folder = workFolder();
  const exported = path.join(folder.dir, "exported");
  /** The page is loaded once more on the way: a question may come while there is none. */
  const isIsolated = (page: Page) => () => page.evaluate(() => crossOriginIsolated).catch(() => false);

  beforeAll(async () => {
    await modOk(shortTraining(6, "--out", "run"), { cwd: folder.dir });
    await modOk(["export", "run", "--format", "safetensors", "--out", "exported"], { cwd: folder.dir });
    // Below a folder, as a project's site is on many hosts, and with no header but the type.
    server = createServer(({ url = "/" }, response) => {
      const name = url.split("?")[0]!.replace(/^\/site\//, "") || "index.html";
      try {
        const body = readFileSync(path.join(SITE, name));
        response.writeHead(200, { "Content-Type": TYPES[path.extname(name)] ?? "application/octet-stream" }).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as { port: number }).port}/site/`;
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    folder.remove();
  });

  test("begins with what this is about, and is isolated by its service worker", async () => {
    const visited = await visit(browser, address);
    const { page } = visited;
    // The page is loaded once more to be isolated.
    await expect.poll(isIsolated(page)).toBe(true);
    await page.getByRole("heading", { name: "Not every token needs every layer" }).waitFor();
    expect(await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allTextContents()).toEqual([
      "Home",
      "Microscope",
      "Playground",
      "Train",
      "Studies",
    ]);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await leave(visited);
  });

  test("shows the studies that it was built with, and says what needs a server", async () => {
    const visited = await visit(browser, `${address}#/studies?study=rate`);
    const { page } = visited;
    await expect.poll(isIsolated(page)).toBe(true);
    await expect.poll(() => page.locator(".iso-point").count()).toBe(18);
    await page.goto(`${address}#/runs`);
    await page.getByText("This site has no server").waitFor();
    await leave(visited);
  });

  test("trains on threads, a model with routed experts, and looks into it", async () => {
    const visited = await visit(browser, `${address}#/train?steps=6&preset=tiny-mode`);
    const { page } = visited;
    page.setDefaultTimeout(60_000);
    await expect.poll(isIsolated(page)).toBe(true);
    await page.getByText(/Computed by WebAssembly on \d+ threads/).waitFor();
    await startTraining(page);
    await page.locator(".state.is-done").waitFor();
    expect(await page.getByText("one thread is used").count()).toBe(0);
    await page.getByRole("button", { name: "Save in this browser" }).click();
    await page.getByText("Saved in this browser as my-tiny-mode.").waitFor();
    await page.locator(".stored").getByRole("link", { name: "Look into" }).click();
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByRole("heading", { name: "What the experts did" }).waitFor();
    expect(await page.locator(".expert-table tbody tr").count()).toBe(2);
    await leave(visited);
  });

  test("a folder that was exported is sampled from, also without isolation", async () => {
    const visited = await visit(browser, `${address}#/playground`, { serviceWorkers: "block" });
    const { page } = visited;
    await page.getByLabel("Open a folder…").setInputFiles(exported);
    const tokens = page.getByLabel("Tokens", { exact: true });
    await tokens.fill("9");
    // There once the folder is open: the page was drawn anew while the number was typed, which stays.
    await page.getByText("Then its dense twin, for its speed").waitFor();
    expect(await tokens.inputValue()).toBe("9");
    await page.getByText("Then its dense twin, for its speed").click();
    await page.getByRole("button", { name: "Generate" }).click();
    await expect.poll(() => page.locator(".stream .token").count(), { timeout: 30_000 }).toBe(9);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    await leave(visited);
  });
});
