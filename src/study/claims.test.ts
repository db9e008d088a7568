import { expect, test } from "vitest";
import { hashText, normal } from "../random.ts";
import { CLAIM_KINDS, type Claim, type ClaimKind, claimsOf } from "./claims.ts";
import { fitStudy } from "./fit.ts";
import type { RunResult } from "./runResult.ts";
import { type SyntheticRun, syntheticResults, syntheticStudy } from "./testing/syntheticStudy.ts";

const SIZES = [100_000, 200_000, 400_000, 800_000];
const study = syntheticStudy({ budgets: [1e13], sizes: SIZES });

/** Loss at the minimum, and where that is. */
type Bowls = Readonly<Record<string, readonly [lossNats: number, parameters: number]>>;
const BOWLS: Bowls = { vanilla: [2, 250_000], mod: [1.95, 400_000], random: [2.1, 300_000] };

const lossOf =
  (bowls: Bowls, noise: number) =>
  ({ id, family, parameters }: SyntheticRun): number => {
    const [least, at] = bowls[family]!;
    return least + 0.1 * Math.log(parameters / at) ** 2 + noise * normal(hashText(id));
  };

const resultsOf = (bowls: Bowls = BOWLS, noise = 0.002) => syntheticResults(study, lossOf(bowls, noise));

function claim(results: readonly RunResult[], kind: ClaimKind): Claim {
  const found = claimsOf(study, fitStudy(study, results)).filter((each) => each.kind === kind);
  expect(found).toHaveLength(1);
  return found[0]!;
}

test("every question is asked at every budget, and of every control", () => {
  const two = {
    ...syntheticStudy(),
    compare: { baseline: "vanilla", candidates: ["mod"], controls: ["random", "mod"] },
  };
  const claims = claimsOf(two, fitStudy(two, []));
  expect(claims).toHaveLength(3 * (CLAIM_KINDS.length + 1));
  expect(new Set(claims.map(({ verdict }) => verdict))).toEqual(new Set(["not measured"]));
  expect(claimsOf({ ...two, compare: undefined }, fitStudy(two, []))).toEqual([]);
  // What the study has no runs for is no question.
  const withoutRandom = { ...two, grid: two.grid.map((block) => ({ ...block, families: ["vanilla", "mod"] })) };
  const asked = claimsOf(withoutRandom, fitStudy(withoutRandom, []));
  expect(asked.map(({ other }) => other)).not.toContain("random");
});

test("without noise the numbers are those of the bowls", () => {
  const results = resultsOf(BOWLS, 0);
  const value = (kind: ClaimKind) => claim(results, kind).estimate!.value;
  expect(value("loss")).toBeCloseTo(-0.05, 9);
  expect(claim(results, "loss").relative!.value).toBeCloseTo(-0.025, 9);
  expect(value("control")).toBeCloseTo(-0.15, 9);
  expect(value("parameters")).toBeCloseTo(400 / 250, 6);
  expect(value("optimumForwardFlops")).toBeCloseTo((0.55 * 400) / 250, 6);
  // 1.95 + 0.1 u² = 2 below the minimum.
  expect(value("forwardFlops")).toBeCloseTo((0.55 * 400 * Math.exp(-Math.sqrt(0.5))) / 250, 6);
  // A vanilla model of 220k parameters takes the forward FLOPs of the best mod model.
  expect(value("equalForwardFlops")).toBeCloseTo(-0.05 - 0.1 * Math.log(220 / 250) ** 2, 9);
  expect(value("causal")).toBeCloseTo(0.002, 9);
});

test("a lower loss is supported, a higher one contradicted, and one within the noise open", () => {
  expect(claim(resultsOf(), "loss").verdict).toBe("supported");
  expect(claim(resultsOf({ ...BOWLS, mod: [2.05, 400_000] }), "loss").verdict).toBe("contradicted");
  const open = claim(resultsOf({ ...BOWLS, mod: [2, 400_000] }, 0.02), "loss");
  expect(open.verdict).toBe("open");
  expect(open.estimate!.interval!.low).toBeLessThan(0);
  expect(open.estimate!.interval!.high).toBeGreaterThan(0);
});

test.each([
  ["control", { ...BOWLS, random: [1.9, 300_000] }],
  ["parameters", { ...BOWLS, mod: [1.95, 150_000] }],
  ["forwardFlops", { ...BOWLS, mod: [2.05, 400_000] }],
] as const)("%s has its verdicts too", (kind, contrary) => {
  expect(claim(resultsOf(), kind).verdict).toBe("supported");
  expect(claim(resultsOf(contrary), kind).verdict).toBe("contradicted");
});

test("where no candidate is as good, none is what it says", () => {
  const { estimate, verdict } = claim(resultsOf({ ...BOWLS, mod: [2.05, 400_000] }), "forwardFlops");
  expect(estimate).toEqual({
    value: Number.POSITIVE_INFINITY,
    interval: { low: Number.POSITIVE_INFINITY, high: Number.POSITIVE_INFINITY },
  });
  expect(verdict).toBe("contradicted");
});

test("where the smallest candidate is as good already, that is said", () => {
  const { estimate, notes } = claim(resultsOf({ ...BOWLS, mod: [1.7, 400_000] }), "forwardFlops");
  expect(estimate!.value).toBeCloseTo((0.55 * 100) / 250, 1);
  expect(notes).toContain("the smallest size, n100000, is as good: fewer may do");
});

test("a baseline whose sizes do not bracket its minimum supports nothing", () => {
  // Its best size is 100k; a smaller one, which was not run, might beat the candidate.
  const results = resultsOf({ ...BOWLS, vanilla: [2, 30_000] });
  for (const kind of ["loss", "forwardFlops", "parameters"] as const) {
    const { verdict, notes } = claim(results, kind);
    expect(verdict, kind).toBe("open");
    expect(notes).toContain("vanilla: minimum not bracketed, its best size n100000 stands in");
  }
});

test("a candidate that is better at its best size than a bracketed baseline is better at its minimum too", () => {
  expect(claim(resultsOf({ ...BOWLS, mod: [1.8, 1_000_000] }), "loss").verdict).toBe("supported");
  expect(claim(resultsOf({ ...BOWLS, mod: [2.2, 2_000_000] }), "loss").verdict).toBe("open");
});

test("a minimum that other seeds would not bracket decides nothing", () => {
  // Lowest just below the largest size: the draws beyond it are cut off there, and lie all on one side.
  const results = resultsOf({ ...BOWLS, mod: [1.95, 800_000] }, 0.01).map((result) =>
    result.family === "vanilla" ? { ...result, parameters: 4 * result.parameters } : result,
  );
  const { verdict, notes, estimate } = claim(results, "parameters");
  expect(estimate!.interval!.high).toBeLessThan(1);
  expect(verdict).toBe("open");
  expect(notes.join()).toMatch(/mod: minimum bracketed in only \d+ % of the draws/);
});

test("one seed of each size leaves all open", () => {
  const results = resultsOf().filter(({ seed }) => seed === 0);
  const { verdict, estimate, notes } = claim(results, "loss");
  expect([verdict, estimate!.interval]).toEqual(["open", null]);
  expect(notes).toEqual([
    "mod: 4 of 12 runs",
    "vanilla: 4 of 12 runs",
    "no interval: no size at this budget has several seeds",
  ]);
});

test("missing runs are not measured", () => {
  const results = resultsOf().filter(({ family, parameters }) => family !== "vanilla" || parameters < 300_000);
  const { verdict, estimate, notes } = claim(results, "loss");
  expect([verdict, estimate]).toEqual(["not measured", null]);
  expect(notes).toEqual(["vanilla: 6 of 12 runs", "vanilla: a minimum takes three sizes, there are 2"]);
  // What does not need the baseline is still there.
  expect(claim(results, "control").verdict).toBe("supported");
});

test("a baseline that was not run with as many forward FLOPs is not extrapolated", () => {
  const results = resultsOf({ ...BOWLS, mod: [1.95, 120_000] });
  const { verdict, notes } = claim(results, "equalForwardFlops");
  expect(verdict).toBe("not measured");
  expect(notes).toEqual(["vanilla was not run with so many forward FLOPs"]);
});

test("a loss under top-k supports nothing", () => {
  const results = resultsOf().map((result) =>
    result.family === "mod" ? { ...result, rule: "topk" as const } : result,
  );
  const { verdict, notes } = claim(results, "loss");
  expect(verdict).toBe("open");
  expect(notes).toContain("mod: trained for no causal rule, its top-k loss sees the future");
  expect(claim(results, "causal").verdict).toBe("not measured");
});

test("the cost of the causal rule comes with its worst run", () => {
  const results = resultsOf().map((result) =>
    result.id === "1e13-mod-n400000-s1"
      ? { ...result, rules: { ...result.rules, topk: { ...result.rules.topk!, lossNats: result.lossNats - 0.014 } } }
      : result,
  );
  const { estimate, notes } = claim(results, "causal");
  expect(estimate!.value).toBeCloseTo(0.003, 9);
  expect(notes).toEqual(["at most 0.0140 nats, in 1e13-mod-n400000-s1", "12 runs"]);
});
