import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { RunSummary } from "../../../src/ui/api.ts";
import { encodeTables } from "../../../src/ui/tableCodec.ts";
import { live } from "./live.ts";

/** Connections in the order in which they were made. */
const sources: FakeSource[] = [];

class FakeSource extends EventTarget {
  readyState = 1;

  constructor() {
    super();
    sources.push(this);
  }

  tell(name: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }

  close(): void {
    this.readyState = 2;
  }
}

const run = { id: "bad" } as RunSummary;
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
let answer = () => new Response('{"error":"permission denied"}', { status: 500 });

beforeAll(() => {
  vi.stubGlobal("EventSource", FakeSource);
  vi.stubGlobal("localStorage", { getItem: () => null });
  vi.stubGlobal("fetch", async () => answer());
});
afterAll(() => void vi.unstubAllGlobals());

test("a run that cannot be read makes no new connection; one that can be read again does", async () => {
  live.watch(["bad"]);
  await settled();
  for (let i = 0; i < 5; i++) {
    sources.at(-1)!.tell("runs", { changed: [run], gone: [], isAll: true });
    await settled();
  }
  expect(sources).toHaveLength(1);
  expect(live.watched.value.get("bad")!.problem).toBe("permission denied");
  const none = { count: 0, columns: {} };
  const cursor = { file: "a", steps: 0, evaluations: 0 };
  answer = () => new Response(encodeTables({ cursor }, { steps: none, evaluations: none }));
  sources.at(-1)!.tell("runs", { changed: [run], gone: [], isAll: false });
  await settled();
  expect(sources).toHaveLength(2);
  expect(live.watched.value.get("bad")).toMatchObject({ problem: null, metrics: { cursor } });
});

test("what is wrong with the list is kept until a list comes", () => {
  sources.at(-1)!.tell("problem", { message: "the folder is gone" });
  expect(live.problem.value).toBe("the folder is gone");
  sources.at(-1)!.tell("runs", { changed: [], gone: [], isAll: true });
  expect(live.problem.value).toBeNull();
  expect(live.runs.value).toEqual([]);
});
