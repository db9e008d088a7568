import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PNG } from "pngjs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeReport } from "./report.ts";
import type { Study } from "./studySchema.ts";
import { surfaceLoss, syntheticResults, syntheticStudy } from "./testing/syntheticStudy.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "study-report-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const FIGURES = ["learning-curves", "loss-forward-flops", "loss-parameters"].flatMap((name) => [
  `${name}.png`,
  `${name}.svg`,
]);
const options = { planned: 243, commands: ["npx mod study run a&b", "npx mod study report a&b"] };
const page = () => readFileSync(path.join(dir, "report.html"), "utf8");

const study = syntheticStudy();
const results = syntheticResults(study, surfaceLoss(0.005));

test("a study of more than 200 runs is fitted and reported within seconds", async () => {
  const before = performance.now();
  const { files, claims, powerLaws, minima } = await writeReport(dir, study, results, options);
  expect(performance.now() - before).toBeLessThan(20_000);
  expect(results).toHaveLength(243);
  expect(readdirSync(dir).sort()).toEqual([...FIGURES, "minima.csv", "report.html", "runs.csv"].sort());
  expect(files.map((file) => path.basename(file)).sort()).toEqual(readdirSync(dir).sort());
  expect([claims.length, powerLaws.length, minima.length]).toEqual([7 * 3, 6, 9]);
  expect(claims.filter(({ kind }) => kind === "loss").map(({ verdict }) => verdict)).toEqual(
    Array(3).fill("supported"),
  );
  for (const name of FIGURES.filter((each) => each.endsWith(".png"))) {
    const png = PNG.sync.read(readFileSync(path.join(dir, name)));
    expect(png.width, name).toBeGreaterThan(1000);
  }
});

test("the page needs nothing from elsewhere and runs nothing", async () => {
  await writeReport(dir, study, results, options);
  expect(page()).not.toMatch(/https?:|src=|href=|@import|url\(|<script/);
  expect(page().match(/<svg /g)).toHaveLength(3);
  expect(page().match(/<tr>/g)!.length).toBe(243 + 21 + 6 + 9 + 4);
  expect(page()).toContain("npx mod study run a&#38;b\nnpx mod study report a&#38;b</pre>");
  expect(page()).toContain("243 of 243 runs are finished.");
});

test("a study without results has a page that says so, and no figure of an earlier one", async () => {
  await writeReport(dir, study, results, options);
  const { claims } = await writeReport(dir, study, [], options);
  expect(claims.every(({ verdict }) => verdict === "not measured")).toBe(true);
  expect(readdirSync(dir).sort()).toEqual(["minima.csv", "report.html", "runs.csv"]);
  expect(page()).toContain("0 of 243 runs are finished.");
  expect(page()).toContain("No run has finished yet.");
});

test.each([1, 2, 5, 30, 100])("the first %i results make a page", async (count) => {
  await writeReport(dir, study, results.slice(0, count), options);
  expect(page()).toContain(`${count} of 243 runs are finished.`);
  expect(page()).not.toMatch(/NaN|undefined|Infinity|\[object/);
  expect(existsSync(path.join(dir, "loss-parameters.png"))).toBe(true);
});

test("a study that compares nothing still has minima and figures", async () => {
  const plain: Study = { ...study, compare: undefined };
  await writeReport(dir, plain, results, options);
  expect(page()).toContain("The study compares nothing.");
  expect(page()).toContain(">forward FLOPs per token</text>");
});

test("what people wrote can't break out of the page", async () => {
  const evil = "</p><script>alert(1)</script>";
  await writeReport(
    dir,
    { ...study, description: evil },
    results.map((run) => ({ ...run, machine: evil })),
    options,
  );
  expect(page()).not.toContain("<script");
  expect(page().split("&#60;script").length - 1).toBe(2);
});
