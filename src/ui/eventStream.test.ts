import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { NewRows, RunSummary } from "./api.ts";
import { EventStream } from "./eventStream.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const run = { id: "first" } as RunSummary;
const rows = { id: "second", cursor: { file: "a", steps: 1, evaluations: 0 } } as NewRows;

/** A reader of events: those that came, by name and data. */
function openStream(sources: Parameters<typeof EventStream.open>[2], watched: readonly string[] = []) {
  const events: [string, unknown][] = [];
  const write = (text: string) => {
    const [, name, data] = /^event: (\w+)\n.*\ndata: (.*)\n\n$/.exec(text) ?? [];
    if (name !== undefined) events.push([name, JSON.parse(data!)]);
  };
  const response = Object.assign(new EventEmitter(), { writeHead: () => {}, write, destroyed: false });
  const cursors = Object.fromEntries(watched.map((id) => [id, { file: "none", steps: 0, evaluations: 0 }]));
  const url = `/api/events?watch=${encodeURIComponent(JSON.stringify(cursors))}`;
  const request = { url, headers: {} } as IncomingMessage;
  EventStream.open(request, response as unknown as ServerResponse, sources);
  return { events, close: () => response.emit("close") };
}

test("a list that cannot be read is told of once, and all runs follow when it can again", async () => {
  let problem: string | null = "the folder is gone";
  const list = async () => {
    if (problem !== null) throw new Error(problem);
    return [run];
  };
  const { events, close } = openStream({ reader: { rowsSince: async () => null }, list });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(events).toEqual([["problem", { message: "the folder is gone" }]]);
  problem = null;
  await vi.advanceTimersByTimeAsync(5000);
  problem = "the folder is gone";
  await vi.advanceTimersByTimeAsync(5000);
  problem = null;
  await vi.advanceTimersByTimeAsync(5000);
  const all = ["runs", { changed: [run], gone: [], isAll: true }];
  expect(events.slice(1)).toEqual([all, ["problem", { message: "the folder is gone" }], all]);
  close();
});

test("a run whose metrics cannot be read holds up no other", async () => {
  const rowsSince = async (id: string) => {
    if (id === "first") throw new Error("EACCES");
    return rows;
  };
  const { events, close } = openStream({ reader: { rowsSince }, list: async () => [] }, ["first", "second"]);
  await vi.advanceTimersByTimeAsync(100);
  expect(events).toContainEqual(["rows", rows]);
  close();
});
