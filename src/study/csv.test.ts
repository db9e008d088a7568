import { expect, test } from "vitest";
import { minimaCsv, runsCsv } from "./csv.ts";
import { fitStudy } from "./fit.ts";
import { surfaceLoss, syntheticResults, syntheticStudy } from "./testing/syntheticStudy.ts";

const study = syntheticStudy();
const results = syntheticResults(study, surfaceLoss(0.01));
const rowsOf = (csv: string) => {
  const [head, ...lines] = csv.trimEnd().split("\n");
  const keys = head!.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((cell, i) => [keys[i]!, cell])));
};

test("a run's row has every single value, at full precision, and no list", () => {
  const plain = results.map((result) => ({ ...result, machine: "one" }));
  const rows = rowsOf(runsCsv(plain));
  expect(rows).toHaveLength(results.length);
  expect(rows[40]).toMatchObject({
    id: results[40]!.id,
    lossNats: String(results[40]!.lossNats),
    "rules.topk.accuracy": "0.98",
    "config.model.dModel": "128",
  });
  expect(rows[0]).toMatchObject({ "rules.topk.lossNats": "", "rules.dense.accuracy": "" });
  expect(Object.keys(rows[0]!).filter((key) => /curve|capacity|pattern/.test(key))).toEqual([]);
});

test("texts that would end a cell are quoted", () => {
  expect(runsCsv([{ ...results[0]!, machine: 'a "fast", new\none' }])).toContain(',"a ""fast"", new\none",');
});

test("a minimum's row has its intervals; one that is not measured is empty", () => {
  const fits = fitStudy(
    study,
    results.filter(({ family }) => family === "mod"),
  );
  const rows = rowsOf(minimaCsv(fits));
  expect(rows.map(({ budget, family }) => `${budget} ${family}`)).toHaveLength(9);
  const mod = rows.find(({ family }) => family === "mod")!;
  const { minimum, intervals } = fits.find(({ family }) => family === "mod")!;
  expect(Number(mod.lossNats)).toBe(minimum!.lossNats);
  expect(Number(mod["parameters.high"])).toBe(intervals!.parameters.high);
  expect(Number(mod["bitsPerByte.low"])).toBeCloseTo((intervals!.lossNats.low * 0.4) / Math.LN2, 9);
  expect(rows[0]).toMatchObject({ family: "vanilla", runs: "0", planned: "27", bracketed: "", lossNats: "" });
});

test("no results give no rows", () => {
  expect(runsCsv([])).toBe("\n");
});
