import path from "node:path";
import { expect, test } from "vitest";
import { fitStudy } from "../study/fit.ts";
import { planStudy } from "../study/plan.ts";
import { readResults } from "../study/results.ts";
import { readStudy } from "../study/studySchema.ts";
import { Reading } from "./reading.ts";
import { studyIds, studyView } from "./studyView.ts";

const STUDIES = path.resolve(import.meta.dirname, "../../studies");
const dir = path.join(STUDIES, "rate");

test("the view of a study holds its runs and fits as they are", () => {
  const study = readStudy(path.join(dir, "study.json"));
  const planned = planStudy(study);
  const results = readResults(path.join(dir, "results"), planned);
  const view = studyView(dir);
  expect(view).toMatchObject({ id: "rate", planned: planned.length, finished: results.length });
  expect(view.fits.flatMap(({ runs }) => runs.map(({ id, lossNats }) => [id, lossNats])).sort()).toEqual(
    results.map(({ id, lossNats }) => [id, lossNats]).sort(),
  );
  for (const [i, { minimum }] of fitStudy(study, results).entries()) {
    const shown = view.fits[i]!.minimum;
    expect(shown === null).toBe(minimum === null);
    if (shown === null || minimum === null) continue;
    expect(shown.lossNats).toBe(minimum.lossNats);
    // The curve ends at the smallest and the largest size, and its losses are those of the parabola.
    const sizes = view.fits[i]!.runs.map(({ parameters }) => parameters);
    expect([shown.curve[0]!.parameters, shown.curve.at(-1)!.parameters]).toEqual([
      Math.min(...sizes),
      Math.max(...sizes),
    ]);
    if (minimum.bracketed)
      expect(Math.min(...shown.curve.map(({ lossNats }) => lossNats))).toBeCloseTo(minimum.lossNats, 3);
  }
});

test("claims are told in the words of the report", () => {
  const { claims } = studyView(path.join(STUDIES, "isoflop"));
  expect(claims.length).toBeGreaterThan(0);
  for (const { measure, verdict } of claims) {
    expect(measure).toMatch(/mod/);
    expect(["supported", "contradicted", "open", "not measured", "shown"]).toContain(verdict);
  }
});

test("only folders that hold a study are studies", async () => {
  expect(studyIds(STUDIES)).toEqual(expect.arrayContaining(["isoflop", "rate"]));
  expect(studyIds(path.join(STUDIES, "nothing"))).toEqual([]);
  const reading = new Reading({ runs: STUDIES, studies: STUDIES });
  expect((await reading.studies()).map(({ id }) => id)).toEqual(expect.arrayContaining(["isoflop", "rate"]));
  expect(await reading.study("../studies/rate")).toBeNull();
  expect(await reading.study("rate/results")).toBeNull();
});
