import { describe, expect, test } from "vitest";
import { float32, type HostTensors } from "../runtime/executor.ts";
import * as g from "./index.ts";
import { evaluate } from "./testing/gradientCheck.ts";

/** Values of outputs as plain numbers. */
async function run(inputs: Record<string, g.Tensor>, outputs: Record<string, g.Tensor>, feeds: HostTensors) {
  const results = await evaluate({ name: "decoding", inputs, outputs }, feeds);
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

const bools = (values: readonly number[]) =>
  ({ dtype: "bool", shape: [values.length], data: Uint8Array.from(values) }) as const;

describe("ifElse", () => {
  const x = g.input("float32", ["n"]);
  const flag = g.input("bool", [1]);
  const shared = g.mul(x, 2);
  const branches = (then: g.Tensor, otherwise: g.Tensor) => g.ifElse(flag, [shared], [then], [otherwise])[0]!;
  const feeds = (holds: boolean) => ({ x: float32([2], Float32Array.of(1, 3)), flag: bools([holds ? 1 : 0]) });

  test("gives the branch that is taken, which may use what is outside", async () => {
    const y = branches(g.add(shared, 1), x);
    const z = g.add(y, shared);
    expect(await run({ x, flag }, { y, z, shared }, feeds(true))).toEqual({ y: [3, 7], z: [5, 13], shared: [2, 6] });
    expect(await run({ x, flag }, { y, z, shared }, feeds(false))).toEqual({ y: [1, 3], z: [3, 9], shared: [2, 6] });
  });

  test("one within another, with outputs that have public names outside", async () => {
    const inner = g.ifElse(flag, [shared], [g.mul(shared, 3)], [g.neg(shared)])[0]!;
    const y = branches(g.add(inner, shared), g.sub(shared, 1));
    expect(await run({ x, flag }, { shared, y }, feeds(true))).toEqual({ shared: [2, 6], y: [8, 24] });
  });

  test("a result without elements", async () => {
    const row = g.reshape(x, ["n"]);
    const y = branches(row, g.empty("float32", ["n"]));
    expect(await run({ x, flag }, { y }, feeds(false))).toEqual({ y: [] });
  });

  test("refuses branches of different types and conditions of several elements", () => {
    expect(() => branches(x, flag)).toThrow("both branches must give the same types");
    expect(() => g.ifElse(g.input("bool", [2]), [], [x], [x])).toThrow("the condition must be one bool");
  });
});

test("rowsWhere, anyOf: rows of a mask, none of them too", async () => {
  const mask = g.input("bool", ["n"]);
  const outputs = { rows: g.rowsWhere(mask, "m"), any: g.anyOf(mask) };
  expect(await run({ mask }, outputs, { mask: bools([0, 1, 0, 1]) })).toEqual({ rows: [1, 3], any: [1] });
  expect(await run({ mask }, outputs, { mask: bools([0, 0]) })).toEqual({ rows: [], any: [0] });
});

test("placesAlong, lastPlace", async () => {
  const x = g.input("float32", [2, "n"]);
  const outputs = { places: g.placesAlong(x, 1), last: g.lastPlace(x, -1) };
  const feeds = { x: float32([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)) };
  expect(await run({ x }, outputs, feeds)).toEqual({ places: [0, 1, 2], last: [3, 6] });
});

test("jointSoftmax is the softmax of both together", async () => {
  const [a, b] = [g.input("float32", [2, "n"]), g.input("float32", [2, 1])];
  const [p, q] = g.jointSoftmax(a, b);
  const feeds = { a: float32([2, 2], Float32Array.of(1, 2, -1, 0)), b: float32([2, 1], Float32Array.of(0.5, 3)) };
  const results = await run({ a, b }, { p: p!, q: q! }, feeds);
  const rows = [
    [1, 2, 0.5],
    [-1, 0, 3],
  ].map((row) => {
    const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
    return row.map((x) => Math.exp(x) / total);
  });
  for (const [i, value] of results.p!.entries()) expect(value).toBeCloseTo(rows[i >> 1]![i % 2]!, 6);
  for (const [i, value] of results.q!.entries()) expect(value).toBeCloseTo(rows[i]![2]!, 6);
});

test("attendToPast is the last row of attention over all tokens", async () => {
  const [heads, keyHeads, length, width] = [4, 2, 5, 3];
  const values = (size: number, key: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + key));
  const whole = (n: number) => [1, n, length, width];
  const [q, k, v] = [heads, keyHeads, keyHeads].map((n) => g.input("float32", whole(n)));
  const last = (x: g.Tensor) => g.lastPlace(x, 2);
  const past = {
    keys: g.slice(k!, 0, length - 1, 2),
    values: g.slice(v!, 0, length - 1, 2),
    bias: g.constant("float32", [1, 1, 1, length - 1], 0),
  };
  const bias = g.constant("float32", [1, 1, length, length], 0);
  const all = g.attend(q!, k!, v!, [bias], { scale: 0.6, blocks: g.queryBlocks(length, length), recompute: false });
  const one = g.attendToPast(last(q!), last(k!), last(v!), past, 0.6);
  const feeds = {
    q: float32(whole(heads), values(heads * length * width, 1)),
    k: float32(whole(keyHeads), values(keyHeads * length * width, 2)),
    v: float32(whole(keyHeads), values(keyHeads * length * width, 3)),
  };
  const results = await run({ q: q!, k: k!, v: v! }, { expected: last(all), one }, feeds);
  for (const [i, value] of results.one!.entries()) expect(value).toBeCloseTo(results.expected![i]!, 5);
});

test("a reshape of a reshape is one, unless two symbolic dimensions would move", () => {
  const x = g.input("float32", ["a", "b", 6]);
  const folded = g.reshape(g.reshape(x, ["a", "b", 2, 3]), ["a", "b", 3, 2]);
  expect(folded.node.inputs[0]).toBe(x);
  const twice = g.reshape(g.reshape(x, ["a", 6, "b"]), [6, "a", "b"]);
  expect(twice.node.inputs[0]).not.toBe(x);
});
