import fc from "fast-check";
import { expect, test } from "vitest";
import { input } from "../graph/index.ts";
import { nodeRuntime } from "../runtime/node.ts";
import { cases } from "../testing/cases.ts";
import { allowance, withinBudget } from "./budget.ts";

const runtime = nodeRuntime({ threads: 1 });

/** Token by token: what the formula has to give. */
function counted(wanted: readonly boolean[], share: number): number[] {
  let taken = 0;
  return wanted.map((one, t) => {
    const goes = one && taken + 1 <= allowance(share, t + 1);
    if (goes) taken++;
    return Number(goes);
  });
}

const shares = [0, 0.07, 0.1, 0.125, 1 / 3, 0.5, 0.9, 1];

test.each(shares)("share %d: the tokens of a step by step count, in every row", async (share) => {
  const wanted = input("bool", ["rows", "tokens"]);
  const outputs = { within: withinBudget(wanted, share) };
  const executor = await runtime.compile({ name: "budget", inputs: { wanted }, outputs });
  const rows = fc
    .integer({ min: 1, max: 80 })
    .chain((length) =>
      fc.array(fc.array(fc.boolean(), { minLength: length, maxLength: length }), { minLength: 1, maxLength: 3 }),
    );
  await fc.assert(
    fc.asyncProperty(rows, async (masks) => {
      const shape = [masks.length, masks[0]!.length];
      const { within } = await executor.run({
        wanted: { dtype: "bool", shape, data: Uint8Array.from(masks.flat(), Number) },
      });
      expect([...(within!.data as Uint8Array)]).toEqual(masks.flatMap((mask) => counted(mask, share)));
    }),
    cases(60),
  );
  await executor.dispose();
});

test("a share of all tokens is no limit, and of none lets none through", () => {
  const mask = Array.from({ length: 50 }, (_, i) => i % 3 !== 0);
  expect(counted(mask, 1)).toEqual(mask.map(Number));
  expect(counted(mask, 0)).toEqual(mask.map(() => 0));
});
