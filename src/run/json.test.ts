import { expect, test } from "vitest";
import { canonicalJson, type JsonValue, parseJsonObject } from "./json.ts";

test("key order does not change the canonical text", () => {
  const a = canonicalJson({ b: [1, { d: null, c: "x" }], a: true });
  const b = canonicalJson({ a: true, b: [1, { c: "x", d: null }] });
  expect(a).toBe(b);
  expect(a).toBe('{"a":true,"b":[1,{"c":"x","d":null}]}');
});

test("numbers come back exactly, -0 and the smallest included", () => {
  for (const value of [-0, 0, 5e-324, 1 / 3, 2 ** 53, -1e300]) {
    expect(Object.is(JSON.parse(canonicalJson(value)), value)).toBe(true);
  }
});

test("an undefined property is an absent one", () => {
  expect(canonicalJson({ a: 1, b: undefined } as never)).toBe('{"a":1}');
});

test.each([
  [{ a: { b: [1, Number.NaN] } }, "$.a.b[1] must be a finite number, got NaN"],
  [{ a: Number.POSITIVE_INFINITY }, "$.a must be a finite number, got Infinity"],
  [{ a: new Float32Array(2) }, "$.a must be a JSON value, got a Float32Array"],
  [{ a: new Map() }, "$.a must be a JSON value, got a Map"],
  [[undefined], "$[0] must be a JSON value, got undefined"],
])("what JSON would change is refused with its path: %o", (value, message) => {
  expect(() => canonicalJson(value as JsonValue)).toThrow(message);
});

test("text that is not a JSON object is refused", () => {
  expect(() => parseJsonObject("{", "here", "config.json")).toThrow('here: config.json must hold JSON, got "{"');
  expect(() => parseJsonObject("[1]", "here", "config.json")).toThrow("must hold a JSON object, got");
});
