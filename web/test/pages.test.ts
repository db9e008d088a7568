/** Every page in a real browser, with real runs behind it. */
import { appendFileSync, readFileSync, utimesSync } from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modOk, ROOT, shortTraining, workFolder } from "../../test/support/cli.ts";
import { type RunningUi, startUi } from "../../test/support/uiServer.ts";
import {
  addressOf,
  hasChromium,
  launch,
  leave,
  NEEDS_CHROMIUM,
  overflow,
  seriousFindings,
  visit,
} from "./support/browser.ts";

const PAGES = ["home", "runs", "microscope", "playground", "train", "studies"];

describe.skipIf(!hasChromium())(`pages ${NEEDS_CHROMIUM}`, () => {
  const folder = workFolder();
  const cwd = folder.dir;
  let [browser, ui]: [Browser, RunningUi] = [undefined as never, undefined as never];
  const at = (hash: string, server = ui) => `http://127.0.0.1:${server.port}/#/${hash}`;
  const visitWithToken = async (hash: string, options = {}) => {
    const visited = await visit(browser, ui.address, options);
    await visited.page.goto(at(hash));
    return visited;
  };
  const serve = (...args: string[]) => startUi(cwd, "runs", "--studies", path.join(ROOT, "studies"), ...args);

  beforeAll(async () => {
    await modOk(shortTraining(30, "train.evaluate.every=10", "--out", "runs/routed"), { cwd });
    await modOk([...shortTraining(20, "train.evaluate.every=10", "--out", "runs/plain"), "--preset", "tiny-dense"], {
      cwd,
    });
    await modOk([...shortTraining(20, "--out", "runs/experts"), "--preset", "tiny-mode-integrated"], { cwd });
    [browser, ui] = await Promise.all([launch(), serve("--port", "0")]);
  });
  afterAll(async () => {
    await browser?.close();
    await ui?.stop();
    folder.remove();
  });

  test("the token leaves the address, and is kept", async () => {
    const { page, ...rest } = await visit(browser, ui.address);
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    expect(await addressOf(page)).not.toContain("token");
    await page.reload();
    await page.getByRole("button", { name: "New run" }).waitFor();
    await page.waitForTimeout(300);
    expect(await page.getByText("opened without its token").count()).toBe(0);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await leave({ page, ...rest });
  });

  test("without a token the page shows, and says that it starts nothing", async () => {
    const visited = await visit(browser, at("runs"), { allow: /401/ });
    await visited.page.getByText("opened without its token").waitFor();
    await visited.page.goto(at("microscope?model=routed"));
    await visited.page.getByRole("button", { name: "Look", exact: true }).click();
    await visited.page.getByRole("alert").getByText("open that address again").waitFor();
    await leave(visited);
  });

  test("runs: figures, curves under each rule, comparison, filter; all of it in the address", async () => {
    const visited = await visitWithToken("runs");
    const { page } = visited;
    await page.getByRole("button", { name: /^routed mod 4×64/ }).click();
    await page.getByRole("heading", { name: "routed" }).waitFor();
    await page.getByText("30 / 30").waitFor();
    // The curves come after the figures.
    await page.locator(".chart", { hasText: "Gradient norm" }).waitFor();
    expect(await page.locator(".chart figcaption").allTextContents()).toEqual(
      expect.arrayContaining([
        "Loss, nats a token",
        "Validation loss under each rule",
        "Learning rate",
        "Tokens a second",
        "Predictor: decisions as top-k",
      ]),
    );
    const rules = page.locator(".chart", { hasText: "Validation loss under each rule" }).locator(".u-label");
    await rules.first().waitFor();
    expect(await rules.allTextContents()).toEqual(["steps", "predictor", "topk", "auxiliary"]);
    await page.getByRole("checkbox", { name: "Compare plain" }).check();
    await page.getByRole("heading", { name: "2 runs" }).waitFor();
    await page.getByText("FLOPs", { exact: true }).click();
    await page.getByLabel("Filter runs").fill("dense");
    await expect.poll(() => page.locator(".run-row").count()).toBe(1);
    expect(await addressOf(page)).toContain("select=routed,plain");
    expect(await addressOf(page)).toContain("x=flops");
    expect(await addressOf(page)).toContain("filter=dense");
    await page.reload();
    await page.getByRole("heading", { name: "2 runs" }).waitFor();
    expect(await page.getByRole("radio", { name: "FLOPs" }).isChecked()).toBe(true);
    await leave(visited);
  });

  test("a chart is zoomed with the mouse and with keys", async () => {
    const visited = await visitWithToken("runs?select=routed");
    const { page } = visited;
    const plot = page.locator(".u-over").first();
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.25, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 50, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => addressOf(page)).toMatch(/zoom=[\d.]+~[\d.]+/);
    await page.getByRole("button", { name: "Show all" }).click();
    expect(await addressOf(page)).not.toContain("zoom");
    await page.locator(".chart-plot").first().focus();
    await page.keyboard.press("+");
    await page.keyboard.press("ArrowRight");
    const [low, high] = /zoom=([\d.]+)~([\d.]+)/
      .exec(await addressOf(page))!
      .slice(1)
      .map(Number);
    expect([low, high]).toEqual([expect.closeTo(11.875, 1), expect.closeTo(26.375, 1)]);
    await page.keyboard.press("0");
    expect(await addressOf(page)).not.toContain("zoom");
    // Shortcuts are the browser's.
    await page.keyboard.press("Control+-");
    await page.keyboard.press("Control++");
    expect(await addressOf(page)).not.toContain("zoom");
    await leave(visited);
  });

  test("new metrics appear by themselves, also after the server was gone", async () => {
    const own = await serve("--port", "0");
    const visited = await visit(browser, at("runs?select=plain", own), { allow: /ERR_|Failed to load/ });
    const { page } = visited;
    const metrics = path.join(cwd, "runs/plain/metrics.jsonl");
    const record = JSON.parse(readFileSync(metrics, "utf8").split("\n")[0]!);
    const add = (step: number) =>
      appendFileSync(metrics, `${JSON.stringify({ ...record, step, losses: { lm: 9 } })}\n`);
    const step = page.locator(".figure", { hasText: "step" }).locator("dd").first();
    await expect.poll(() => step.textContent()).toBe("20 / 20");
    add(21);
    await expect.poll(() => step.textContent()).toBe("21 / 20");
    await own.stop();
    await page.getByText("The server does not answer").waitFor();
    add(22);
    const again = await serve("--port", String(own.port));
    await expect.poll(() => step.textContent(), { timeout: 20_000 }).toBe("22 / 20");
    expect(await page.getByText("The server does not answer").count()).toBe(0);
    // The curves go on where they were: the last point of the chart is the last step.
    const box = (await page.locator(".u-over").first().boundingBox())!;
    await page.mouse.move(box.x + box.width - 1, box.y + 20);
    const legend = page.locator(".chart").first().locator(".u-series");
    await expect.poll(() => legend.nth(0).textContent()).toContain("22");
    expect(await legend.nth(1).textContent()).toMatch(/training.*9/);
    await again.stop();
    await leave(visited);
  });

  test("the newest run is shown until another is chosen, whichever changes next", async () => {
    const visited = await visitWithToken("runs");
    const { page } = visited;
    const names = page.locator(".run-row .run-id");
    await names.first().waitFor();
    const [newest, other] = [await names.first().textContent(), "routed"];
    expect(newest).not.toBe(other);
    await page.getByRole("heading", { name: newest!, exact: true }).waitFor();
    const metrics = path.join(cwd, "runs", other, "metrics.jsonl");
    utimesSync(metrics, new Date(), new Date());
    await expect.poll(() => names.first().textContent()).toBe(other);
    await page.getByRole("heading", { name: newest!, exact: true }).waitFor();
    await leave(visited);
  });

  test("a run is started, stopped and resumed from the page", async () => {
    const visited = await visitWithToken("runs");
    const { page } = visited;
    await page.getByRole("button", { name: "New run" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("mine");
    await dialog.getByLabel("Steps").fill("100000");
    await dialog.getByLabel("Text to train on").fill("texts");
    expect(await seriousFindings(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.getByRole("heading", { name: "mine" }).waitFor();
    await page.locator(".run-detail .state.is-running").waitFor();
    await expect.poll(() => page.locator(".chart").count(), { timeout: 20_000 }).toBeGreaterThan(3);
    await page.getByRole("button", { name: "Stop and save" }).click();
    await page.locator(".run-detail .state.is-stopped").waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator(".run-detail .state.is-running").waitFor();
    await page.getByRole("button", { name: "Stop and save" }).click();
    await page.locator(".run-detail .state.is-stopped").waitFor();
    await leave(visited);
  });

  test("microscope: map, weights and logits by keyboard, coloured text, histogram, dense blocks", async () => {
    const visited = await visitWithToken("microscope?model=routed");
    const { page } = visited;
    await page.getByLabel("Text", { exact: true }).fill("the state of our union");
    await page.getByLabel("Who decides").selectOption("auxiliary");
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByRole("heading", { name: "Layers by tokens" }).waitFor();
    await page.locator(".routing-map").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowUp");
    await page.getByText("Layer 0: dense, computes every token.").waitFor();
    await page.keyboard.press("ArrowUp");
    expect(await page.locator(".spot-layer").textContent()).toMatch(
      /^Layer 1 \(mod\): (through|around), router weight −?[\d.]+, predictor logit −?[\d.]+; (not )?among the top k/,
    );
    await page.getByText("router weight", { exact: true }).click();
    await page.getByText("loss", { exact: true }).click();
    expect(await page.locator(".colored-text .token").count()).toBeGreaterThan(5);
    expect(await page.getByRole("img", { name: /Histogram of \d+ router weights/ }).count()).toBe(1);
    expect(await page.locator(".layer-table tbody tr").count()).toBe(4);
    expect(await addressOf(page)).toMatch(/rule=auxiliary/);
    // A shorter text, in which the token that was pointed at is not.
    await page.locator(".routing-map").focus();
    await page.keyboard.press("End");
    await page.getByLabel("Text", { exact: true }).fill("the");
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByText("Point at a token, or move with the arrow keys.").waitFor();
    await page.getByLabel("Text", { exact: true }).fill("the state of our union");
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.locator(".spot-layer").waitFor();
    expect(decodeURIComponent((await addressOf(page)).replaceAll("+", " "))).toContain("text=the state of our union");
    await leave(visited);
  });

  test("microscope: experts and no-ops in the map, in words and as a table", async () => {
    const visited = await visitWithToken("microscope?model=experts");
    const { page } = visited;
    await page.getByLabel("Text", { exact: true }).fill("the state of our union is strong");
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByRole("heading", { name: "What the experts did" }).waitFor();
    const rows = page.locator(".expert-table tbody tr");
    expect(await rows.count()).toBe(2);
    const cells = await rows.first().locator("td").allTextContents();
    const shares = cells[0]!.match(/[\d.]+(?= %)/g)!.map(Number);
    expect(shares).toHaveLength(8);
    // What no expert got, a no-op did; each share is rounded.
    expect([...shares, Number.parseFloat(cells[1]!)].reduce((a, b) => a + b, 0)).toBeCloseTo(100, -1.2);
    expect(cells.slice(2)).toEqual([expect.stringMatching(/^[\d.]+ %$/), expect.stringMatching(/^\d\.\d\d$/)]);
    await page.getByText("number of the expert that computes the token").waitFor();
    // Layer 1 of the first, the second, the third token, ...: what it shows is told in words.
    await page.locator(".routing-map").focus();
    for (const key of ["ArrowUp", "ArrowUp"]) await page.keyboard.press(key);
    const told = new Set<string>();
    for (let i = 0; i < 12; i++) {
      told.add((await page.locator(".spot-layer").textContent())!);
      await page.keyboard.press("ArrowRight");
    }
    for (const words of told) expect(words).toMatch(/^Layer 1 \(moe\): (expert [0-7]|no expert \(a no-op\))\.$/);
    expect([...told].some((words) => words.includes("expert "))).toBe(true);
    expect(await page.getByLabel("Who decides").locator("option").allTextContents()).toContain(
      "as in training: experts have so many slots",
    );
    expect(await seriousFindings(page)).toEqual([]);
    await leave(visited);
  });

  test("playground: tokens stream, coloured, with the dense cost beside", async () => {
    const visited = await visitWithToken("playground?model=routed&tokens=12");
    const { page } = visited;
    await page.getByRole("button", { name: "Generate" }).click();
    await expect
      .poll(() => page.locator(".stream .quiet", { hasText: /all tokens used|ended the document/ }).count(), {
        timeout: 30_000,
      })
      .toBe(2);
    const [own, dense] = await page.locator(".stream").all();
    expect(await own!.locator(".token").count()).toBeGreaterThan(0);
    expect(await own!.locator(".figure", { hasText: "tokens a second" }).locator("dd").textContent()).toMatch(
      /^[\d.]+k?/,
    );
    expect(await dense!.locator(".token").first().getAttribute("title")).toMatch(/^4 of 4 blocks/);
    await page.getByLabel("Prompt").fill("another prompt");
    expect(await page.locator(".stream .prompt").allTextContents()).toEqual(Array(2).fill("My fellow citizens"));
    await page.getByLabel("Model", { exact: true }).selectOption("plain");
    expect(await page.getByText("Then once more with every block").count()).toBe(0);
    await leave(visited);
  });

  test("playground: after Stop no text waits any more", async () => {
    const visited = await visitWithToken("playground?model=routed&tokens=2000");
    const { page } = visited;
    // Pressed in the page, at the first token: 2,000 are soon written.
    const stopped = page.evaluate(
      () =>
        new Promise<void>((resolve) => {
          const look = () => {
            if (document.querySelector(".stream .token") === null) return void requestAnimationFrame(look);
            [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Stop")!.click();
            resolve();
          };
          look();
        }),
    );
    await page.getByRole("button", { name: "Generate" }).click();
    await stopped;
    await expect
      .poll(() => page.locator(".stream .panel-head .quiet").allTextContents())
      .toEqual(["stopped", "stopped"]);
    await leave(visited);
  });

  test("an address that is followed on the same page brings all that it says", async () => {
    const visited = await visitWithToken("playground?model=routed");
    const { page } = visited;
    await page.getByLabel("Prompt").fill("mine");
    await page.goto(at("playground?model=plain&prompt=sent"));
    await expect.poll(() => page.getByLabel("Prompt").inputValue()).toBe("sent");
    expect(await page.getByLabel("Model", { exact: true }).inputValue()).toBe("plain");
    await leave(visited);
  });

  test("a stored run that is not there says so until another model is chosen", async () => {
    const visited = await visitWithToken("microscope?model=stored:none");
    const { page } = visited;
    await page.getByRole("alert").getByText('there must be a run "none" in this browser').waitFor();
    await page.getByLabel("Model", { exact: true }).selectOption("plain");
    await expect.poll(() => page.getByRole("alert").count()).toBe(0);
    await leave(visited);
  });

  test("studies: runs at a budget, by keyboard too; families; claims", async () => {
    const visited = await visitWithToken("studies?study=isoflop");
    const { page } = visited;
    await page.getByRole("heading", { name: "Loss at equal training FLOPs" }).waitFor();
    const points = page.locator(".iso-point");
    const all = await points.count();
    expect(all).toBeGreaterThan(10);
    await points.first().focus();
    await page.getByText(/^vanilla 2x32, seed 0: [\d.]+ nats under dense/).waitFor();
    await page.getByRole("checkbox", { name: "mod", exact: true }).uncheck();
    expect(await points.count()).toBeLessThan(all);
    expect(await addressOf(page)).toContain("hide=mod");
    // A stretch of one budget's curves is none of another's.
    await page.locator(".chart-plot").first().focus();
    await page.keyboard.press("+");
    await expect.poll(() => addressOf(page)).toContain("zoom=");
    const first = await page.getByLabel("Budget").locator("option").first().getAttribute("value");
    await page.getByLabel("Budget").selectOption(first);
    await expect.poll(() => addressOf(page)).toContain("budget=");
    expect(await addressOf(page)).not.toContain("zoom=");
    expect(await page.getByRole("row", { name: /lowest loss: mod − vanilla/ }).count()).toBeGreaterThan(0);
    await leave(visited);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`accessibility in ${colorScheme}: axe finds nothing serious on any page`, async () => {
      const visited = await visitWithToken("home", { colorScheme });
      const { page } = visited;
      for (const name of PAGES) {
        await page.goto(at(`${name}?model=routed&select=routed`));
        await page.getByRole("heading", { level: 1 }).first().waitFor();
        if (name === "microscope") {
          await page.getByRole("button", { name: "Look", exact: true }).click();
          await page.locator(".routing-map").waitFor();
        }
        await page.waitForTimeout(400);
        expect(await seriousFindings(page), name).toEqual([]);
      }
      await leave(visited);
    });
  }

  for (const width of [1280, 390]) {
    test(`no page is wider than a window of ${width} pixels`, async () => {
      const visited = await visitWithToken("home", { viewport: { width, height: 800 } });
      const { page } = visited;
      for (const name of PAGES) {
        await page.goto(at(`${name}?model=routed&select=routed,plain&tokens=8`));
        await page.getByRole("heading", { level: 1 }).first().waitFor();
        const action = { microscope: "Look", playground: "Generate", train: "Train" }[name];
        if (action !== undefined) await page.getByRole("button", { name: action, exact: true }).click();
        await page.waitForTimeout(700);
        expect(await overflow(page), name).toBeLessThanOrEqual(0);
      }
      await leave(visited);
    });
  }
});
