import { strToU8, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { pack, unpack } from "./archive.ts";

const files = new Map([
  ["config.json", strToU8('{"seed":1}')],
  ["checkpoints/step-00000001/weights.safetensors", Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251)],
  ["text/naïve 木.txt", strToU8("kings")],
  ["metrics.jsonl", new Uint8Array(0)],
]);

test("a run comes back from its archive, with its name", () => {
  expect(unpack(pack("my run", files))).toEqual({ name: "my run", files });
});

test("a name that is no folder's is made one", () => {
  expect(unpack(pack("../a/b", files)).name).toBe("..-a-b");
  expect(unpack(pack("", files)).name).toBe("run");
});

test("files without a common folder keep their paths; folders of their own are no files", () => {
  const archive = zipSync({ "a.txt": strToU8("a"), "b/": new Uint8Array(0), "b/c.txt": strToU8("c") });
  const { name, files: found } = unpack(archive);
  expect(name).toBe(null);
  expect([...found.keys()]).toEqual(["a.txt", "b/c.txt"]);
});

test("what macOS adds is left out", () => {
  const own = Object.fromEntries([...files].map(([path, bytes]) => [`my run/${path}`, bytes]));
  const added = [
    "__MACOSX/my run/._config.json",
    "__MACOSX/._my run",
    "my run/.DS_Store",
    "my run/checkpoints/.DS_Store",
  ];
  const archive = zipSync({ ...own, ...Object.fromEntries(added.map((path) => [path, strToU8("x")])) });
  expect(unpack(archive)).toEqual({ name: "my run", files });
});

describe("what is no archive of a run is refused in words", () => {
  const good = pack("run", files);
  test.each<[string, Uint8Array, RegExp]>([
    ["another file", strToU8("hello"), /must be a .zip of a run folder/],
    ["nothing", new Uint8Array(0), /must be a .zip/],
    ["one cut short", good.subarray(0, good.length - 30), /must be whole/],
    ["one without files", zipSync({}), /must hold files/],
    ["a path out of the folder", zipSync({ "a/../../b": strToU8("b") }), /must stay in the folder/],
    ["an absolute path", zipSync({ "/etc/b": strToU8("b") }), /must stay in the folder/],
    ["a path of Windows", zipSync({ "a\\..\\b": strToU8("b") }), /must stay in the folder/],
  ])("%s", (_, archive, message) => {
    expect(() => unpack(archive)).toThrow(message);
  });
});
