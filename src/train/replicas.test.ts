import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { parameterList } from "../model/parameters.ts";
import { tinyMod } from "../model/testing/tinyModel.ts";
import { builtSources } from "../run/testing/builtSources.ts";
import { Barrier } from "./barrier.ts";
import { ownersOf, sizeOf } from "./replica.ts";
import { sharesOf } from "./replicaGroup.ts";
import { trainReplicas } from "./testing/replicasProcess.ts";

const built = builtSources(["train/testing/replicasProcess.ts", "train/replicaWorker.ts"]);

describe("replicas on threads of their own give bit for bit what they give on one thread", () => {
  test.each([
    [2, 1],
    [2, 3],
    [4, 1],
  ])("%i replicas, %i batches to an update", async (threads, accumulate) => {
    const script = built.path("train/testing/replicasProcess.js");
    const output = execFileSync(process.execPath, [script, "replicas", String(threads), String(accumulate)]);
    const expected = JSON.parse(JSON.stringify(await trainReplicas(threads, accumulate)));
    expect(JSON.parse(output.toString())).toEqual(expected);
  });
});

describe("sequences are shared out evenly", () => {
  test.each([
    [8, 2, { replicas: 2, threads: 1 }],
    [8, 16, { replicas: 8, threads: 2 }],
    [6, 4, { replicas: 3, threads: 1 }],
    [1, 2, { replicas: 1, threads: 2 }],
    [5, 4, { replicas: 1, threads: 4 }],
  ])("a batch of %i on %i threads", (batchSize, threads, shares) => {
    expect(sharesOf(batchSize, threads)).toEqual(shares);
  });
});

test("every parameter has one owner, and no owner has much more than its share", () => {
  const specs = parameterList(tinyMod());
  for (const count of [1, 2, 3, 5]) {
    const owners = ownersOf(specs, count);
    expect(
      owners
        .flat()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(specs.map(({ name }) => name).sort());
    const largest = Math.max(...specs.map(({ size }) => size));
    for (const owned of owners) expect(sizeOf(owned)).toBeLessThanOrEqual(sizeOf(specs) / count + largest);
  }
});

describe("a barrier", () => {
  test("lets nobody on before all have come, any number of times", async () => {
    const counters = Barrier.counters();
    const order: string[] = [];
    const walk = async (name: string) => {
      const barrier = new Barrier(counters, 3, false);
      for (let round = 0; round < 4; round++) {
        order.push(`${round}`);
        await barrier.pass();
      }
      return name;
    };
    await Promise.all(["a", "b", "c"].map(walk));
    expect(order).toEqual([...order].sort());
    expect(order).toHaveLength(12);
  });

  test("throws for those who wait when another gave up", async () => {
    const counters = Barrier.counters();
    const waiting = new Barrier(counters, 2, false).pass();
    new Barrier(counters, 2, false).giveUp();
    await expect(waiting).rejects.toThrow("all replicas must reach a step's end, one gave up");
  });
});
