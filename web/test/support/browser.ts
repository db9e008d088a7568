import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

/** Where Debian puts it; MOD_CHROMIUM names another place. */
const CHROMIUM = process.env.MOD_CHROMIUM ?? "/usr/bin/chromium";

export const hasChromium = (): boolean => existsSync(CHROMIUM);

/** A suite of this name is skipped by it where there is no browser. */
export const NEEDS_CHROMIUM = "(needs Chromium)";

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });

/** A page, and what went wrong in it: nothing may. */
export interface Visit {
  readonly page: Page;
  readonly problems: string[];
  close(): Promise<void>;
}

export interface VisitOptions extends BrowserContextOptions {
  /** Problems that the test itself brings about. */
  readonly allow?: RegExp;
  readonly notesLongTasks?: boolean;
}

export async function visit(browser: Browser, address: string, options: VisitOptions = {}): Promise<Visit> {
  const { allow, notesLongTasks = false, ...rest } = options;
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: "reduce",
    ...rest,
  });
  if (notesLongTasks) await context.addInitScript(NOTE_LONG_TASKS);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const problems: string[] = [];
  const note = (problem: string) => void (allow?.test(problem) || problems.push(problem));
  page.on("pageerror", (error) => note(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") note(`${message.text()} ${message.location().url}`);
  });
  await page.goto(address);
  return { page, problems, close: () => context.close() };
}

/** Leaves a page, in which nothing may have gone wrong. */
export async function leave({ problems, close }: Visit): Promise<void> {
  await close();
  expect(problems).toEqual([]);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds serious on a page as it is now: rules and the elements that break them. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const results = (await page.evaluate("axe.run(document)")) as {
    violations: { id: string; impact: string | null; nodes: { target: string[]; failureSummary?: string }[] }[];
  };
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}

/** Pixels by which a page is wider than the window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/** In every page of a context: main-thread tasks of more than 50 ms are noted from the first script on. */
const NOTE_LONG_TASKS = `
  globalThis.longTasks = [];
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
    type: "longtask",
    buffered: true,
  });
`;

/** Where the page is: it knows at once, `page.url()` a moment later. */
export const addressOf = (page: Page): Promise<string> => page.evaluate(() => location.href);

/** Of the lengths of tasks the longest but one, 0 if there is none: a busy machine may stall the page once, whatever it does. */
export const longestButOne = (lengths: readonly number[]): number => lengths.toSorted((a, b) => b - a)[1] ?? 0;

/** Lengths of the main-thread tasks of more than 50 ms since the last call. The page was visited with `notesLongTasks`. */
export async function longTasks(page: Page): Promise<number[]> {
  // Entries come a moment after their task.
  await page.waitForTimeout(200);
  return page.evaluate("longTasks.splice(0)") as Promise<number[]>;
}
