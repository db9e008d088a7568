#!/usr/bin/env node
// Pictures of the pages of mod ui for README and docs: docs/figures/ui-*.png. Needs Chromium, and npm run build before.
//     npm run screenshots -- RUNS [FIRST] [OTHERS]
// RUNS is a folder of runs; FIRST the run that is looked into and sampled from; OTHERS, apart by commas, are compared with it.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CHROMIUM = process.env.MOD_CHROMIUM ?? "/usr/bin/chromium";
const [runs, first, others = ""] = process.argv.slice(2);
if (runs === undefined)
  throw new Error("screenshots: a folder of runs is needed: npm run screenshots -- RUNS [FIRST] [OTHERS]");

const server = spawn(
  process.execPath,
  [`${ROOT}dist/cli/mod.js`, "ui", runs, "--json", "--port", "0", "--studies", `${ROOT}studies`],
  { stdio: ["ignore", "pipe", "inherit"] },
);
const { address, port } = await announced(server);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const model = first === undefined ? "" : `model=${encodeURIComponent(first)}`;
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
const selected = [first, ...others.split(",")].filter(Boolean).join(",");

await shoot("home", "home", { height: 1150 });
await shoot("runs", `runs?smooth=light&order=name&select=${selected}`, { height: 940 });
await shoot("microscope", `microscope?${model}`, { height: 1490, act: look });
await shoot("microscope-dark", `microscope?${model}&cells=router+weight&color=loss`, {
  height: 1330,
  act: look,
  theme: "dark",
});
await shoot("playground", `playground?${model}&tokens=90`, { height: 1010, act: generate });
await shoot("studies", "studies?study=isoflop", { height: 1160 });
await browser.close();
server.kill("SIGINT");

async function shoot(name, place, { height, theme = "light", act = async () => {} }) {
  const context = await browser.newContext({ viewport: { width: 1280, height }, colorScheme: theme });
  const page = await context.newPage();
  await page.goto(address);
  await page.goto(`http://127.0.0.1:${port}/#/${place}`);
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForTimeout(1000);
  await act(page);
  await page.waitForTimeout(500);
  await page.screenshot({ path: `${ROOT}docs/figures/ui-${name}.png` });
  await context.close();
  console.log(`docs/figures/ui-${name}.png`);
}

async function announced({ stdout }) {
  let text = "";
  for await (const part of stdout) {
    text += part;
    if (/^\}$/m.test(text)) return JSON.parse(text);
  }
  throw new Error("screenshots: the server must say where it is, got nothing; run npm run build");
}
