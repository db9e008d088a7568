#!/usr/bin/env node
// Pictures of the pages of mod ui for README and docs: docs/figures/ui-*.png. Needs Chromium, and npm run build before.
//     npm run screenshots -- RUNS FIRST EXPERTS [OTHERS] [--only NAME...] [--review FOLDER]
// RUNS is a folder of runs; FIRST the run that is looked into and sampled from; EXPERTS one with experts; OTHERS, apart by commas,
// are compared with FIRST. With --review every page is pictured wide and narrow, light and dark, into another folder.
import { spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CHROMIUM = process.env.MOD_CHROMIUM ?? "/usr/bin/chromium";
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { review: { type: "string" }, only: { type: "string", multiple: true } },
});
const [runs, first, experts, others = ""] = positionals;
if (experts === undefined)
  throw new Error("screenshots: runs are needed: npm run screenshots -- RUNS FIRST EXPERTS [OTHERS] [--review FOLDER]");

const server = spawn(
  process.execPath,
  [`${ROOT}dist/cli/mod.js`, "ui", runs, "--json", "--port", "0", "--studies", `${ROOT}studies`],
  { stdio: ["ignore", "pipe", "inherit"] },
);
const { address, port } = await announced(server);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const model = `model=${encodeURIComponent(first)}`;
const look = async (page) => {
  await page.getByRole("button", { name: "Look", exact: true }).click();
  await page.locator(".routing-map").waitFor();
  await page.locator(".routing-map").focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"]) await page.keyboard.press(key);
};
const generate = async (page) => {
  await page.getByRole("button", { name: "Generate" }).click();
  await page.getByRole("button", { name: "Generate", exact: true, disabled: false }).waitFor({ timeout: 120_000 });
};
const train = async (page) => {
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await page.getByText("Its routing at step").waitFor({ timeout: 120_000 });
  await page.locator(".state.is-done").waitFor({ timeout: 400_000 });
};
const selected = [first, ...others.split(",")].filter(Boolean).join(",");

/** Name, address, height of the wide picture, what is done first. */
const PICTURES = [
  { name: "home", place: "home", height: 1150 },
  { name: "runs", place: `runs?smooth=light&order=name&select=${selected}`, height: 940 },
  { name: "microscope", place: `microscope?${model}`, height: 1490, act: look },
  {
    ...{ name: "microscope-dark", place: `microscope?${model}&cells=router+weight&color=loss`, height: 1330 },
    ...{ act: look, theme: "dark" },
  },
  { name: "experts", place: `microscope?model=${encodeURIComponent(experts)}`, height: 1330, act: look },
  // Without the dense model beside it: from one text on a machine with other work, the ratio of two speeds is chance.
  { name: "playground", place: `playground?${model}&tokens=150&twin=no`, height: 810, act: generate },
  { name: "train", place: "train?steps=120", height: 1330, act: train },
  { name: "studies", place: "studies?study=isoflop", height: 1160 },
];

for (const picture of PICTURES.filter(({ name }) => values.only?.includes(name) ?? true)) {
  if (values.review === undefined) {
    await shoot(picture, `${ROOT}docs/figures/ui-${picture.name}.png`);
    continue;
  }
  for (const width of [1280, 390]) {
    for (const theme of ["light", "dark"]) {
      const file = path.join(values.review, `${picture.name}-${width}-${theme}.png`);
      await shoot({ ...picture, width, theme, isWhole: true }, file);
    }
  }
}
await browser.close();
server.kill("SIGINT");

async function shoot({ place, height, width = 1280, theme = "light", isWhole = false, act = async () => {} }, file) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  const page = await context.newPage();
  await page.goto(address);
  await page.goto(`http://127.0.0.1:${port}/#/${place}`);
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForTimeout(1000);
  await act(page);
  await page.waitForTimeout(500);
  await page.screenshot({ path: file, fullPage: isWhole });
  await context.close();
  console.log(path.relative(process.cwd(), file));
}

async function announced({ stdout }) {
  let text = "";
  for await (const part of stdout) {
    text += part;
    if (/^\}$/m.test(text)) return JSON.parse(text);
  }
  throw new Error("screenshots: the server must say where it is, got nothing; run npm run build");
}
