/** Training, sampling and looking in the page itself, by the real engine on WebAssembly. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { unzipSync, zipSync } from "fflate";
import type { Browser, Download, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readMetrics } from "../../src/run/metrics.ts";
import { modOk, someText, workFolder } from "../../test/support/cli.ts";
import { type RunningUi, startUi } from "../../test/support/uiServer.ts";
import {
  hasChromium,
  launch,
  leave,
  longestButOne,
  longTasks,
  NEEDS_CHROMIUM,
  overflow,
  seriousFindings,
  type Visit,
  visit,
} from "./support/browser.ts";
import { chooseTexts, startTraining } from "./support/training.ts";

/** The aim is 50 ms; on a machine whose cores all compute, the page's thread waits for its turn as well. */
const LONGEST_MS = 250;
const STEPS = 20;
/** Of a run that is stopped on its way. */
const LONG = 300;

describe.skipIf(!hasChromium())(`training in the page ${NEEDS_CHROMIUM}`, () => {
  const folder = workFolder();
  let [browser, ui]: [Browser, RunningUi] = [undefined as never, undefined as never];
  /** One browser profile for all: what one test saves, the next ones open. */
  let visited: Visit = undefined as never;
  let page: Page = undefined as never;
  const go = (hash: string) => page.goto(`http://127.0.0.1:${ui.port}/#/${hash}`);
  const unpacked = async (download: Download) => unzipSync(readFileSync(await download.path()));

  beforeAll(async () => {
    mkdirSync(path.join(folder.dir, "runs"));
    [browser, ui] = await Promise.all([launch(), startUi(folder.dir, "runs", "--port", "0")]);
    visited = await visit(browser, ui.address, { notesLongTasks: true });
    ({ page } = visited);
    page.setDefaultTimeout(60_000);
  });
  afterAll(async () => {
    await browser?.close();
    await ui?.stop();
    folder.remove();
  });

  test(`${STEPS} steps: curves, the routing of a text, and a page that answers meanwhile`, async () => {
    await go(`train?steps=${STEPS}`);
    await page.getByText(/Computed by WebAssembly on \d+ threads. WebGPU would .*, but there is no/).waitFor();
    await longTasks(page);
    await startTraining(page);
    await page.locator(".state.is-done").waitFor();
    const lengths = await longTasks(page);
    console.log(`while training: tasks over 50 ms: ${lengths.map((ms) => ms.toFixed(0)).join(", ") || "none"}`);
    expect(longestButOne(lengths)).toBeLessThan(LONGEST_MS);
    expect(await page.locator(".chart figcaption").allTextContents()).toEqual([
      "Loss, nats a token",
      "Predictor: decisions as top-k",
      "Share routed through, if the causal rule decided",
      "Tokens a second",
    ]);
    expect(await figure("step")).toBe(`${STEPS} / ${STEPS}`);
    const [training, validation] = [Number(await figure("training loss")), Number(await figure("validation loss"))];
    // Losses begin near the logarithm of the vocabulary, which is 6.2.
    for (const loss of [training, validation]) expect(Math.abs(loss - 3.5), String(loss)).toBeLessThan(2.4);
    await page.getByText(`Its routing at step ${STEPS}`).waitFor();
    expect(await page.locator(".routing-map canvas").count()).toBeGreaterThan(0);
    await page.locator(".routing-map").focus();
    for (const key of ["ArrowUp", "ArrowUp"]) await page.keyboard.press(key);
    expect(await page.locator(".spot-layer").textContent()).toMatch(/^Layer 1 \(mod\): (through|around)/);
    expect(await seriousFindings(page)).toEqual([]);
  });

  test("a run is paused, saved, stopped, and downloaded as what mod train --resume goes on with", async () => {
    // What was not saved is not left without a question.
    page.once("dialog", (dialog) => void dialog.dismiss());
    await page.getByRole("button", { name: "Train another" }).click();
    await page.getByText(`Its routing at step ${STEPS}`).waitFor();
    page.once("dialog", (dialog) => void dialog.accept());
    await page.getByRole("button", { name: "Train another" }).click();
    // The next one learns from the same files, unless others are chosen.
    await page.getByText("0.txt, 1.txt").waitFor();
    await go(`train?steps=${LONG}`);
    await startTraining(page);
    await page.getByText("Its routing at step").waitFor();
    // It goes on while another page is looked at.
    await page.getByRole("link", { name: "Studies" }).first().click();
    await page.getByRole("link", { name: "Train" }).first().click();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".state.is-paused").waitFor();
    const paused = await figure("step");
    expect(await page.getByLabel("Name").inputValue()).toBe("my-tiny-mod");
    await page.getByLabel("Name").fill("no/folder");
    await page.getByRole("button", { name: "Save in this browser" }).click();
    expect(await page.getByLabel("Name").evaluate((input: HTMLInputElement) => input.validity.valid)).toBe(false);
    expect(await page.locator(".keep .notice").count()).toBe(0);
    await page.getByLabel("Name").fill("kept");
    await page.getByRole("button", { name: "Save in this browser" }).click();
    await page.getByText("Saved in this browser as kept.").waitFor();
    expect(await figure("step")).toBe(paused);
    await page.getByRole("button", { name: "Go on" }).first().click();
    await page.locator(".state.is-running").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".state.is-stopped").waitFor();
    const downloads = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download as .zip" }).click();
    const download = await downloads;
    expect(download.suggestedFilename()).toBe("kept.zip");
    const command = await page.locator(".keep code").textContent();
    expect(command).toBe("npx mod train --resume kept");
    for (const [name, bytes] of Object.entries(await unpacked(download))) {
      mkdirSync(path.join(folder.dir, path.dirname(name)), { recursive: true });
      writeFileSync(path.join(folder.dir, name), bytes);
    }
    await modOk([...command!.split(" ").slice(2), "--threads", "1"], { cwd: folder.dir });
    const steps = readMetrics(path.join(folder.dir, "kept/metrics.jsonl")).filter(({ kind }) => kind === "step");
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: LONG }, (_, i) => i + 1));
  });

  test("after a reload it is there: sampled beside its dense twin, and looked into", async () => {
    await page.reload();
    await page.locator(".stored").getByRole("link", { name: "Sample" }).click();
    await page.getByLabel("Tokens", { exact: true }).fill("24");
    await page.getByLabel("Tokens", { exact: true }).blur();
    await page.getByRole("button", { name: "Generate" }).click();
    const ended = page.locator(".stream .quiet", { hasText: /all tokens used|ended the document/ });
    await expect.poll(() => ended.count(), { timeout: 60_000 }).toBe(2);
    expect(await page.locator(".stream h2").allTextContents()).toEqual(["Routed", "Dense twin, random weights"]);
    await page.getByText("nobody trained it").waitFor();
    for (const stream of await page.locator(".stream").all()) {
      const speed = stream.locator(".figure", { hasText: "tokens a second" }).locator("dd");
      expect(await speed.textContent()).toMatch(/^[\d.]+k?/);
    }
    expect(await page.locator(".stream").nth(1).locator(".token").first().getAttribute("title")).toMatch(/^4 of 4/);
    await go("microscope?model=stored:kept&rule=topk");
    await page.getByLabel("Text", { exact: true }).fill("the state of our union");
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByRole("heading", { name: "Layers by tokens" }).waitFor();
    expect(await page.locator(".layer-table tbody tr").count()).toBe(4);
    expect(await figure("rule")).toBe("topk");
  });

  test("a .zip is taken in, goes on, and leaves again; what is no run says so", async () => {
    await go("train");
    const row = page.locator(".stored li", { hasText: "kept" }).first();
    const downloads = page.waitForEvent("download");
    await row.getByRole("button", { name: "Download" }).click();
    const file = await (await downloads).path();
    const takeIn = page.getByLabel("Take in a .zip…");
    await takeIn.setInputFiles({ name: "kept.zip", mimeType: "application/zip", buffer: readFileSync(file) });
    const taken = page.locator(".stored li", { hasText: "kept-2" });
    await taken.getByText(/mod 4×64 · step \d+ of 300/).waitFor();
    await taken.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("heading", { name: "kept-2" }).waitFor();
    await page.locator(".state.is-running").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    page.on("dialog", (dialog) => void dialog.accept());
    await page.getByRole("button", { name: "Train another" }).click();
    await taken.getByRole("button", { name: "Delete" }).click();
    await expect.poll(() => taken.count()).toBe(0);
    await takeIn.setInputFiles({ name: "bad.zip", mimeType: "application/zip", buffer: Buffer.from("no archive") });
    await page.getByRole("alert").getByText("must be a .zip of a run folder").waitFor();
    const other = Buffer.from(zipSync({ "holiday/beach.txt": new TextEncoder().encode("sand") }));
    await takeIn.setInputFiles({ name: "holiday.zip", mimeType: "application/zip", buffer: other });
    await page.getByRole("alert").getByText("config.json").waitFor();
    page.removeAllListeners("dialog");
  });

  test("a run that came without its text is given it", async () => {
    await go("train");
    const downloads = page.waitForEvent("download");
    await page.locator(".stored li").first().getByRole("button", { name: "Download" }).click();
    const files = Object.entries(await unpacked(await downloads)).filter(([name]) => !name.startsWith("kept/text/"));
    const config = files.find(([name]) => name === "kept/config.json")!;
    const changed = JSON.parse(new TextDecoder().decode(config[1]));
    changed.data.sources = ["books"];
    config[1] = new TextEncoder().encode(JSON.stringify(changed));
    const buffer = Buffer.from(zipSync(Object.fromEntries(files)));
    await page.getByLabel("Take in a .zip…").setInputFiles({ name: "bare.zip", mimeType: "application/zip", buffer });
    await page.locator(".stored li", { hasText: "bare" }).getByRole("button", { name: "Go on" }).click();
    await page.getByRole("alert").getByText("must be given the text it began with, books").waitFor();
    await chooseTexts(page);
    await page.getByRole("button", { name: "Go on with this text" }).click();
    await page.locator(".state.is-running").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".state.is-stopped").waitFor();
    // Its own name is saved under again without a question, that of another run is not.
    await page.getByRole("button", { name: "Save in this browser" }).click();
    await page.getByText("Saved in this browser as bare.").waitFor();
    const asked = page.waitForEvent("dialog");
    await page.getByLabel("Name").fill("kept");
    const saving = page.getByRole("button", { name: "Save in this browser" }).click();
    const dialog = await asked;
    expect(dialog.message()).toBe("Replace kept, another run that this browser keeps?");
    await dialog.dismiss();
    await saving;
    await expect.poll(() => page.locator(".keep .notice").count()).toBe(0);
    await page.getByRole("button", { name: "Train another" }).click();
  });

  test("files: a .zip is sampled from, and what is no model or no text says so", async () => {
    await go("microscope");
    const open = page.getByLabel("Open a .zip or files…");
    await open.setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from(someText(1)) });
    await page.getByRole("alert").getByText("must be a .zip of a run folder").waitFor();
    await go("train");
    await page.getByText("Your own files").click();
    const binary = Buffer.from([0xff, 0xfe, 0x80]);
    await page.getByLabel("Text files").setInputFiles({ name: "a.png", mimeType: "image/png", buffer: binary });
    await page.getByRole("alert").getByText("a.png must be text in UTF-8").waitFor();
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await overflow(page)).toBeLessThanOrEqual(0);
  });

  test("nothing went wrong meanwhile", () => leave(visited));

  const figure = async (label: string): Promise<string> =>
    (await page.locator(".figure", { hasText: label }).first().locator("dd").textContent()) ?? "";
});
