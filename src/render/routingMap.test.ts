import { expect, test } from "vitest";
import { checkRoutingMap, type RoutingMap, routedCounts, rowsFromTop, shareText } from "./routingMap.ts";

const map: RoutingMap = {
  tokens: ["a", "b", "c", "d", "e", "f", "g", "h"],
  layers: [
    { index: 0, kind: "dense", routedThrough: Array(8).fill(true) },
    { index: 1, kind: "mod", routedThrough: [true, false, false, false, false, false, false, false] },
    { index: 2, kind: "mode", routedThrough: [true, true, false, false, false, false, false, false] },
  ],
};

test("the highest layer comes first, whatever the order given", () => {
  expect(rowsFromTop(map).map(({ index }) => index)).toEqual([2, 1, 0]);
  expect(rowsFromTop({ ...map, layers: [...map.layers].reverse() }).map(({ index }) => index)).toEqual([2, 1, 0]);
});

test("shares and counts", () => {
  expect(map.layers.map(shareText)).toEqual(["100.0 %", "12.5 %", "25.0 %"]);
  expect(routedCounts(map)).toEqual([2, 1, 0, 0, 0, 0, 0, 0]);
});

test.each([
  [{ ...map, tokens: [] }, "here: a map must have tokens, got none"],
  [{ ...map, layers: [] }, "here: a map must have layers, got none"],
  [{ ...map, layers: [map.layers[1]!, map.layers[1]!] }, "got layer 1 twice"],
  [{ ...map, tokens: ["a"] }, "layer 0 must have one decision per token (1), got 8"],
])("a map that can't be drawn is refused: %#", (bad, message) => {
  expect(() => checkRoutingMap(bad, "here")).toThrow(message);
});
