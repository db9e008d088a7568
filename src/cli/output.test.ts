import { afterEach, expect, test, vi } from "vitest";
import { Output } from "./output.ts";

const streams = { stdout: process.stdout, stderr: process.stderr };
const isTTY = { stdout: process.stdout.isTTY, stderr: process.stderr.isTTY };

afterEach(() => {
  vi.restoreAllMocks();
  for (const name of ["stdout", "stderr"] as const) streams[name].isTTY = isTTY[name];
});

/** What is written to a stream while `act` runs. */
function written(name: "stdout" | "stderr", terminal: boolean, act: () => void): string {
  const spy = vi.spyOn(streams[name], "write").mockReturnValue(true);
  streams[name].isTTY = terminal;
  act();
  const text = spy.mock.calls.map(([part]) => String(part)).join("");
  spy.mockRestore();
  return text;
}

test("results go to standard output, or to standard error beside a JSON document", () => {
  expect(written("stdout", false, () => new Output(false).print("loss 1"))).toBe("loss 1\n");
  expect(written("stderr", false, () => new Output(true).print("loss 1"))).toBe("loss 1\n");
  expect(written("stdout", false, () => new Output(true).document({ loss: 1 }))).toBe('{\n  "loss": 1\n}\n');
});

test("a terminal never gets the control characters of a model's text; a file gets the text as it is", () => {
  const text = "line\n\ttab \x1b[2J\u202e";
  const write = () => new Output(false).writeText(text);
  expect(written("stdout", true, write)).toBe("line\n\ttab \\x1b[2J\\u202e");
  expect(written("stdout", false, write)).toBe(text);
});
