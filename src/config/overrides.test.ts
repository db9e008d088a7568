import { expect, test } from "vitest";
import { applyOverrides, OverrideError } from "./overrides.ts";

const config = {
  seed: 0,
  model: { nLayer: 4, pattern: ["dense"] },
  train: { horizon: { kind: "flops", budget: 1e9 } },
};

test("a path leads into the configuration, which itself stays as it was", () => {
  expect(applyOverrides(config, ["model.nLayer=6"]).model).toEqual({ nLayer: 6, pattern: ["dense"] });
  expect(config.model.nLayer).toBe(4);
});

test("a value is JSON where it parses, and else a text", () => {
  const values = ["1e3", "true", "null", '["dense","mod"]', '{"a":1}', "text with = and spaces", "", '"7"', "[1"];
  const set = Object.fromEntries(values.map((value) => [value, applyOverrides({}, [`x=${value}`])]));
  expect(Object.values(set)).toEqual(
    [1000, true, null, ["dense", "mod"], { a: 1 }, "text with = and spaces", "", "7", "[1"].map((x) => ({ x })),
  );
});

test("missing objects on the way are made, and values that are no objects replaced", () => {
  expect(applyOverrides({ seed: 0 }, ["a.b.c=1", "seed.x=2"])).toEqual({ a: { b: { c: 1 } }, seed: { x: 2 } });
});

test("another kind drops the fields beside it", () => {
  const changed = applyOverrides(config, ["train.horizon.kind=steps", "train.horizon.steps=50"]);
  expect(changed.train.horizon).toEqual({ kind: "steps", steps: 50 });
});

test("another choice does too", () => {
  const experts = { choice: "token", noOps: 8 };
  expect(applyOverrides({ experts }, ["experts.choice=expert"])).toEqual({ experts: { choice: "expert" } });
});

test("the same kind keeps the fields beside it", () => {
  expect(applyOverrides(config, ["train.horizon.kind=flops"])).toEqual(config);
});

test("a kind where there is none drops nothing: the schema names the one wrong key", () => {
  expect(applyOverrides(config, ["model.kind=x"]).model).toEqual({ nLayer: 4, pattern: ["dense"], kind: "x" });
});

test("later overrides see what earlier ones made", () => {
  expect(applyOverrides({}, ["a=1", "a=2", "b.c=3", "b.d=4"])).toEqual({ a: 2, b: { c: 3, d: 4 } });
});

test("an override without a path or without = is refused", () => {
  for (const wrong of ["", "=1", "model.nLayer"]) {
    expect(() => applyOverrides(config, [wrong])).toThrow(
      new OverrideError(`--set: must be path=value, got "${wrong}"`),
    );
  }
});

test("no path reaches a prototype", () => {
  for (const path of ["__proto__", "__proto__.polluted", "model.__proto__.polluted", "model.__proto__"]) {
    expect(() => applyOverrides(config, [`${path}=1`])).toThrow(OverrideError);
  }
  const changed = applyOverrides(config, ["constructor.prototype.polluted=1", 'model={"__proto__":{"polluted":1}}']);
  expect("polluted" in {}).toBe(false);
  expect((changed.model as Record<string, unknown>).polluted).toBeUndefined();
});
