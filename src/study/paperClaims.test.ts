import { expect, test } from "vitest";
import { type ClaimKind, claimsOf } from "./claims.ts";
import { fitStudy } from "./fit.ts";
import { paperClaim } from "./paperClaims.ts";
import { studySchema } from "./studySchema.ts";

const routed = (kind: string) => ({ routing: { kind } });
const study = studySchema.parse({
  description: "every kind",
  base: { model: { experts: { choice: "token" } } },
  families: {
    vanilla: {},
    mod: { model: { pattern: ["dense", "mod"], ...routed("learned") } },
    random: { model: { pattern: ["dense", "mod"], ...routed("random") } },
    moe: { model: { pattern: ["dense", "moe"] } },
    reduced: { model: { pattern: ["dense", "moe"], experts: { capacityFactor: 0.5 } } },
    integrated: { model: { pattern: ["dense", "moe"], experts: { noOps: 8 } } },
    staged: { model: { pattern: ["dense", "mode"], ...routed("learned") } },
  },
  sizes: { small: {} },
  learningRate: { peak: 1e-3, atWidth: 64 },
  grid: [{ budgets: [1e13], families: ["vanilla", "mod", "moe"], sizes: ["small"] }],
  compare: { baseline: "moe", candidates: ["mod"], controls: ["vanilla"] },
});

const words = (kind: ClaimKind, candidate: string, other: string) =>
  paperClaim(study, kind, candidate, other)?.words ?? null;

test("what the paper says of Mixture-of-Depths is about the dense model and random routing alone", () => {
  expect(words("loss", "mod", "vanilla")).toMatch(/1.5 %/);
  expect(words("parameters", "mod", "vanilla")).toMatch(/more than 1/);
  expect(words("control", "mod", "random")).toMatch(/drastically/);
  for (const other of ["mod", "random", "moe"]) expect(words("loss", "mod", other)).toBeNull();
  expect(words("control", "mod", "vanilla")).toBeNull();
  expect(words("loss", "random", "vanilla")).toBeNull();
});

test("what it says of experts is about staged and integrated ones against plain ones", () => {
  expect(words("loss", "staged", "moe")).toMatch(/add to those of experts/);
  expect(words("loss", "integrated", "moe")).toMatch(/add to those of experts/);
  expect(words("control", "integrated", "reduced")).toMatch(/no-op experts/);
  expect(words("control", "staged", "reduced")).toBeNull();
  expect(words("parameters", "staged", "moe")).toBeNull();
  expect(words("loss", "moe", "vanilla")).toBeNull();
});

test("causal rules are about the candidate alone", () => {
  expect(["mod", "staged", "moe"].map((family) => words("causal", family, "moe") !== null)).toEqual([
    true,
    true,
    false,
  ]);
});

test("a comparison that the paper does not make is shown, not judged", () => {
  const claims = claimsOf(study, fitStudy(study, []));
  const others = claims.filter(({ kind }) => kind !== "causal");
  expect(others.length).toBeGreaterThan(0);
  for (const { paper } of others) expect(paper).toBeNull();
});
