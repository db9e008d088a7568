import { expect, test } from "vitest";
import { wantsColor } from "./color.ts";

test.each([
  [{ isTTY: true }, {}, true],
  [{ isTTY: true }, { NO_COLOR: "" }, true],
  [{ isTTY: true }, { NO_COLOR: "1" }, false],
  [{ isTTY: true }, { TERM: "dumb" }, false],
  [{ isTTY: false }, {}, false],
  [{}, {}, false],
])("stream %o, environment %o: colour %s", (stream, env, expected) => {
  expect(wantsColor(stream, env)).toBe(expected);
});
