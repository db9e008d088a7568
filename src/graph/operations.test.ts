import { describe, expect, test } from "vitest";
import * as g from "./index.ts";
import { checkGradients, evaluate, host, ramp } from "./testing/gradientCheck.ts";
import { operationCases } from "./testing/operationCases.ts";

describe("gradient of", () => {
  for (const [name, [inputs, formula]] of Object.entries(operationCases)) {
    test(name, async () => checkGradients(inputs, formula, name === "cast" ? 1e-2 : 1e-6));
  }

  test("every differentiable operation is in the list above", () => {
    const notDifferentiable = [
      ...["input", "constant", "scalar", "equal", "less", "greater", "greaterOrEqual", "and", "or", "minimum"],
      ...[
        ...[
          "attendToPast",
          "jointSoftmax",
          "ifElse",
          "rowsWhere",
          "anyOf",
          "placesAlong",
          "lastPlace",
          "empty",
          "floor",
        ],
        ...["dequantize", "quantizedMatmul", "asQuantized"],
        "stopGradient",
        "sumOfSquares",
        "asSpreadRows",
        "maximum",
        "slice",
        "queryBlocks",
        "asUniform",
        "numberOf",
        "withoutFactor",
        "takeLast",
        "topPositions",
        "descendingRank",
        "countUntil",
        "amongLargest",
        "reshapeLike",
        "stack",
        "part",
        "sumTo",
      ],
      ...["maximum", "asUniform", "weightedSum", "withoutFactor"],
      ...["countFlops", "differentiate", "toOnnx", "multiplyDims", "staticDim", "staticSize", "isFloat"],
    ];
    const functions = Object.entries(g).filter(([name, value]) => typeof value === "function" && name !== "GraphError");
    const checked = Object.keys(operationCases).map((name) => name.split(/[ ,]/)[0]);
    for (const [name] of functions) expect([...checked, ...notDifferentiable]).toContain(name);
  });
});

describe("stopGradient", () => {
  test("passes the value and no gradient", async () => {
    const x = g.input("float32", [2]);
    const loss = g.sum(g.mul(g.stopGradient(x), x));
    const [dx] = g.differentiate(loss, [x]);
    const outputs = await evaluate(
      { name: "stop", inputs: { x }, outputs: { dx: dx! } },
      { x: host("float32", [2], [3, 5]) },
    );
    expect([...outputs.dx!.data]).toEqual([3, 5]);
  });
});

describe("topPositions and descendingRank", () => {
  const order = async (values: number[], count: number) => {
    const x = g.input("float32", [1, values.length]);
    const outputs = {
      positions: g.topPositions(x, count),
      rank: g.descendingRank(x),
      among: g.amongLargest(x, count),
    };
    const result = await evaluate(
      { name: "order", inputs: { x }, outputs },
      { x: host("float32", [1, values.length], values) },
    );
    const [positions, rank, among] = [result.positions!, result.rank!, result.among!].map(({ data }) =>
      [...data].map(Number),
    );
    expect(among).toEqual(rank!.map((place) => (place < count ? 1 : 0)));
    return { positions, rank };
  };

  test("positions ascend, whatever the order of the values", async () => {
    expect(await order([0.1, 5, -2, 7, 3], 3)).toEqual({ positions: [1, 3, 4], rank: [3, 1, 4, 0, 2] });
  });

  test("exactly C are chosen under ties, lower positions first, at every C and length", async () => {
    for (const length of [1, 2, 7, 64, 300]) {
      const values = Array.from({ length }, (_, i) => (i % 3 === 0 ? 1 : 0));
      const stable = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
      for (const count of [1, Math.ceil(length / 3), Math.ceil(length / 2), length]) {
        const { positions, rank } = await order(values, count);
        expect(positions).toEqual(stable.slice(0, count).sort((a, b) => a - b));
        expect(rank).toEqual(values.map((_, i) => stable.indexOf(i)));
      }
    }
  });
});

test("countUntil counts along its axis, each place included", async () => {
  const mask = g.input("bool", [2, 3]);
  const outputs = { rows: g.countUntil(mask, 1), columns: g.countUntil(mask, 0) };
  const result = await evaluate(
    { name: "count", inputs: { mask }, outputs },
    { mask: host("bool", [2, 3], [1, 0, 1, 0, 1, 1]) },
  );
  expect([...result.rows!.data].map(Number)).toEqual([1, 1, 2, 0, 1, 2]);
  expect([...result.columns!.data].map(Number)).toEqual([1, 0, 1, 1, 1, 2]);
});

test("sumRowSets adds what several takers give to one row; a row of nobody is 0", async () => {
  const [y, rows] = [g.input("float32", [2, 2, 1]), g.input("int64", [2, 2])];
  const result = await evaluate(
    { name: "sum", inputs: { y, rows }, outputs: { sum: g.sumRowSets(y, rows, 4) } },
    { y: host("float32", [2, 2, 1], [1, 2, 10, 20]), rows: host("int64", [2, 2], [0, 2, 2, 3]) },
  );
  expect([...result.sum!.data]).toEqual([1, 0, 12, 20]);
});

test("part of a stack is what stands there, and of any other tensor a slice", async () => {
  const [a, b] = [g.input("float32", [2]), g.input("float32", [2])];
  expect(g.part(g.stack([a, b]), 1)).toBe(b);
  const result = await evaluate(
    {
      name: "stack",
      inputs: { a, b },
      outputs: { whole: g.stack([a, b]), first: g.part(g.mul(g.stack([a, b]), 2), 0) },
    },
    { a: host("float32", [2], [1, 2]), b: host("float32", [2], [3, 4]) },
  );
  expect([...result.whole!.data]).toEqual([1, 2, 3, 4]);
  expect([...result.first!.data]).toEqual([2, 4]);
});

describe("shape errors name the operation, the rule and the shapes", () => {
  const x = g.input("float32", [2, 3]);
  const rules: [string, () => unknown, RegExp][] = [
    [
      "matmul",
      () => g.matmul(x, x),
      /^matmul: inner sizes must agree \(3 and 2\), got float32\[2, 3\], float32\[2, 3\]$/,
    ],
    [
      "add",
      () => g.add(x, g.input("float32", [4])),
      /^add: shapes must broadcast .* got float32\[2, 3\], float32\[4\]$/,
    ],
    ["types", () => g.add(x, g.input("float64", [3])), /^add: operands must have one type/],
    ["reshape", () => g.reshape(x, [4]), /^reshape: \[4\] must have as many elements/],
    ["topPositions", () => g.topPositions(x, 4), /^topPositions: the count must be an integer in \[1, T=3\], got 4$/],
    ["symbol", () => g.add(g.input("float32", ["batch"]), g.input("float32", ["tokens"])), /must broadcast/],
    [
      "differentiate",
      () => g.differentiate(g.sum(x), [g.input("float32", [1])]),
      /the loss must depend on each tensor/,
    ],
  ];
  for (const [name, build, message] of rules) test(name, () => expect(build).toThrow(message));
});

test("symbolic dimensions are sized when the graph runs", async () => {
  const x = g.input("float32", ["batch", "tokens", 4]);
  const heads = g.transpose(g.reshape(x, ["batch", "tokens", 2, 2]), [0, 2, 1, 3]);
  const scores = g.softmax(g.matmul(heads, heads, { transposeB: true }));
  const definition = { name: "symbolic", inputs: { x }, outputs: { scores } };
  for (const [b, t] of [
    [1, 3],
    [2, 1],
  ] as const) {
    const { scores: value } = await evaluate(definition, {
      x: host("float32", [b, t, 4], ramp([b, t, 4]).values as number[]),
    });
    expect(value!.shape).toEqual([b, 2, t, t]);
  }
  expect(g.multiplyDims([4, "tokens", "batch"])).toBe(g.multiplyDims(["batch", "tokens", 4]));
});

describe("gradient of an embedding", () => {
  test("is right and the same every time with one repeated token on two threads", async () => {
    const [rows, width] = [512, 64];
    const table = g.input("float32", [8, width]);
    const ids = g.input("int32", [rows]);
    const [gradient] = g.differentiate(g.sum(g.mul(g.embed(table, ids), 0.5)), [table]);
    const { nodeRuntime } = await import("../runtime/node.ts");
    const executor = await nodeRuntime({ threads: 2 }).compile({
      name: "embed",
      inputs: { table, ids },
      outputs: { gradient: gradient! },
    });
    const feeds = {
      table: host("float32", [8, width], Array(8 * width).fill(0)),
      ids: host("int32", [rows], Array(rows).fill(3)),
    };
    for (let run = 0; run < 40; run++) {
      const { data } = (await executor.run(feeds)).gradient!;
      const expected = Array.from({ length: 8 * width }, (_, i) => (Math.floor(i / width) === 3 ? rows / 2 : 0));
      expect([...(data as Float32Array)]).toEqual(expected);
    }
    await executor.dispose();
  });
});

test("countFlops counts two for each multiply-add of each product, once", () => {
  const a = g.input("float32", [2, 3, 4]);
  const product = g.matmul(a, g.input("float32", [4, 5]));
  expect(g.countFlops([g.sum(product), product])).toBe(2 * 2 * 3 * 4 * 5);
});
