import { stripVTControlCharacters } from "node:util";
import { expect, test, vi } from "vitest";
import { createProgress, duration, type Progress, type ProgressOptions } from "./progress.ts";
import { displayWidth } from "./tokenText.ts";

/** A progress line on a stream of the test's own, with a clock that the test moves. */
function start(options: Partial<ProgressOptions> & { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const { isTTY, columns, ...rest } = options;
  const stream = { isTTY, columns, write: (text: string) => written.push(text) };
  const progress: Progress = createProgress({
    total: 100,
    label: "train",
    env: {},
    now: () => clock.ms,
    stream,
    ...rest,
  });
  const at = (ms: number, done: number, text?: string): void => {
    clock.ms = ms;
    progress.update(done, text);
  };
  return { progress, written, clock, at };
}

test("off a terminal: a plain line every 10 s at most, and a last one", () => {
  const { progress, written, clock, at } = start({ isTTY: false });
  for (let step = 0; step <= 100; step++) at(step * 250, step, `loss ${4 - step / 100}`);
  progress.done();
  progress.done();
  clock.ms = 1e6;
  progress.update(3);
  expect(written).toEqual([
    "train   0%  0/100  loss 4\n",
    "train  40%  40/100  15 s left  loss 3.6\n",
    "train  80%  80/100  5 s left  loss 3.2\n",
    "train 100%  100/100  in 25 s  loss 3\n",
  ]);
});

test("on a terminal: one line, redrawn in place, never wider than the terminal", () => {
  const { progress, written, at } = start({ isTTY: true, columns: 60 });
  for (let step = 0; step <= 100; step++)
    at(step * 250, step, "a long text that says much about how the training goes");
  progress.done("finished");
  expect(written).toHaveLength(102);
  for (const text of written) {
    expect(text.startsWith("\r\x1b[2K")).toBe(true);
    expect(displayWidth(stripVTControlCharacters(text).trim())).toBeLessThan(60);
  }
  expect(written.slice(0, -1).join("")).not.toContain("\n");
  expect(plain(written[50]!)).toBe(`train ${"█".repeat(12)}${"░".repeat(12)}  50%  50/100  13 s left  a …`);
  expect(plain(written.at(-1)!)).toBe(`train ${"█".repeat(24)} 100%  100/100  in 25 s  fin…`);
  expect(written.at(-1)!.endsWith("\n")).toBe(true);
});

test("a narrow terminal gets a shorter bar, so that the line still fits", () => {
  const { written, at } = start({ isTTY: true, columns: 30 });
  at(0, 50, "loss 3.2");
  expect(plain(written[0]!)).toBe("train ████░░░░  50%  50/100");
});

test("a terminal is redrawn at most ten times a second", () => {
  const { written, at } = start({ isTTY: true });
  for (let step = 0; step < 100; step++) at(step * 10, step);
  expect(written).toHaveLength(10);
});

test("the time left of a resumed run counts what is done from here on", () => {
  const { written, at } = start({ isTTY: false });
  at(0, 50);
  at(10_000, 60);
  expect(written.at(-1)).toBe("train  60%  60/100  40 s left\n");
});

test("a note stands above the live line", () => {
  const { progress, written, at } = start({ isTTY: true });
  at(0, 10);
  progress.note("checkpoint saved");
  expect(written.slice(1).map(plain)).toEqual(["checkpoint saved", plain(written[0]!)]);
  expect(written[1]).toBe("\r\x1b[2Kcheckpoint saved\n");
});

test("NO_COLOR leaves the line without colour, and a dumb terminal gets plain lines", () => {
  const bare = start({ isTTY: true, env: { NO_COLOR: "1" } });
  bare.at(0, 10);
  expect(bare.written[0]!.replace("\r\x1b[2K", "")).not.toContain("\x1b");
  const dumb = start({ isTTY: true, env: { TERM: "dumb" } });
  dumb.at(0, 10);
  expect(dumb.written).toEqual(["train  10%  10/100\n"]);
});

test("standard error is the default", () => {
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  createProgress({ total: 2, label: "eval" }).update(1);
  const text = write.mock.calls.map(([chunk]) => String(chunk)).join("");
  write.mockRestore();
  expect(plain(text)).toContain("eval");
});

test("nothing to do is no progress to show", () => {
  expect(() => createProgress({ total: 0, label: "x" })).toThrow("total must be a number above 0, got 0");
});

test.each([
  [400, "0 s"],
  [45_000, "45 s"],
  [59_600, "1 min 00 s"],
  [200_000, "3 min 20 s"],
  [7_500_000, "2 h 05 min"],
])("%i ms is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

function plain(text: string): string {
  return stripVTControlCharacters(text).trim();
}
