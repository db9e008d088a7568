/** The same files on a plain static host, without a server of ours. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../../test/support/cli.ts";
import { hasChromium, launch, leave, NEEDS_CHROMIUM, overflow, visit } from "./support/browser.ts";

const SITE = path.join(ROOT, "dist/web");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

test("the first load is under 1 MB, compressed, and nothing comes from elsewhere", () => {
  const names = readdirSync(SITE, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(html|js|css)$/.test(name),
  );
  // What a page may load at first; of the fonts the Latin one, which is compressed as it is.
  const texts = names.map((name) => readFileSync(path.join(SITE, name)));
  const latin = readdirSync(path.join(SITE, "assets")).find((name) => /latin-wght/.test(name) && !/ext/.test(name))!;
  const bytes = texts.reduce(
    (sum, text) => sum + gzipSync(text).byteLength,
    statSync(path.join(SITE, "assets", latin)).size,
  );
  console.log(`first load: ${(bytes / 1024).toFixed(0)} KiB`);
  expect(bytes).toBeLessThan(1 << 20);
  const html = readFileSync(path.join(SITE, "index.html"), "utf8");
  expect(html).toContain('data-server="none"');
  expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
});

describe.skipIf(!hasChromium())(`static site ${NEEDS_CHROMIUM}`, () => {
  let [browser, server, address]: [Browser, Server, string] = [undefined as never, undefined as never, ""];
  beforeAll(async () => {
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
  });

  test("begins with what this is about, and is isolated by its service worker", async () => {
    const visited = await visit(browser, address);
    const { page } = visited;
    await page.getByRole("heading", { name: "Not every token needs every layer" }).waitFor();
    await expect
      .poll(() => page.evaluate(() => crossOriginIsolated).catch(() => false), { timeout: 15_000 })
      .toBe(true);
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
    await expect.poll(() => page.locator(".iso-point").count(), { timeout: 15_000 }).toBe(18);
    await page.goto(`${address}#/runs`);
    await page.getByText("This site has no server").waitFor();
    await leave(visited);
  });

  test("models work through an engine alone", async () => {
    const visited = await visit(browser, `${address}#/playground`, { engine: {} });
    const { page } = visited;
    await page
      .locator('input[type="file"]')
      .setInputFiles({ name: "run.tar", mimeType: "application/x-tar", buffer: Buffer.from("x") });
    await page.getByLabel("Tokens", { exact: true }).fill("9");
    await page.getByLabel("Tokens", { exact: true }).blur();
    await page.getByRole("button", { name: "Generate" }).click();
    await expect.poll(() => page.locator(".stream").first().locator(".token").count(), { timeout: 15_000 }).toBe(9);
    await leave(visited);
  });
});
