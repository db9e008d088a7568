import { expect, test } from "vitest";
import { findPeers, PEERS, type Probe, parseProbe, probe } from "./probe.ts";

const printed = (torch: object, jax: object) => `${JSON.stringify({ torch, jax })}\n`;
const NO_TORCH = { error: "No module named 'torch'" };
const NO_JAX = { error: "No module named 'jax'" };

const old = parseProbe("old", printed({ version: "1.13.0a0", mkl: false }, NO_JAX));
const recent = parseProbe("new", printed({ version: "2.15.0+cu132", mkl: true }, { version: "0.10.2" }));
const bare = parseProbe("bare", printed(NO_TORCH, NO_JAX));

test("engines are named by the version of their library; the first interpreter that has one is taken", () => {
  const later: Probe = { ...recent, python: "later" };
  const { found, missing } = findPeers([bare, old, recent, later]);
  expect(found).toEqual([
    { engine: "pytorch-1.13", python: "old", mkl: false },
    { engine: "pytorch", python: "new", mkl: true },
    { engine: "torch.compile", python: "new", mkl: true },
    { engine: "jax", python: "new", mkl: true },
  ]);
  expect(missing).toEqual([]);
});

test("a missing engine is told with what each interpreter has instead", () => {
  const { found, missing } = findPeers([bare, old]);
  expect(found.map(({ engine }) => engine)).toEqual(["pytorch-1.13"]);
  const reason = "bare: No module named 'torch'; old: torch 1.13.0a0";
  expect(missing).toEqual([
    { engine: "pytorch", reason },
    { engine: "torch.compile", reason },
    { engine: "jax", reason: "bare: No module named 'jax'; old: No module named 'jax'" },
  ]);
});

test("PyTorch 1.12 and 1.130 are not 1.13", () => {
  for (const version of ["1.12.1", "1.130.0"]) {
    expect(findPeers([parseProbe("python", printed({ version, mkl: true }, NO_JAX))]).found).toEqual([]);
  }
});

test("what libraries print before is passed over; what is no answer is told", () => {
  expect(parseProbe("p", `warning: old driver\n${printed(NO_TORCH, NO_JAX)}`)).toEqual({ ...bare, python: "p" });
  expect(parseProbe("p", "Segmentation fault").found).toEqual({ error: 'probe.py printed "Segmentation fault"' });
});

test("an interpreter that is not there misses every engine", async () => {
  const { found, missing } = findPeers([await probe("no-such-python")]);
  expect(found).toEqual([]);
  expect(missing).toEqual(PEERS.map((engine) => ({ engine, reason: "no-such-python: no such program" })));
});
