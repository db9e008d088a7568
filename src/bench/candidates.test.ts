import { expect, test } from "vitest";
import { peerEnvironment } from "./peerEnvironment.ts";
import { settingsOf } from "./shapes.ts";
import { stepCandidates } from "./trainBench.ts";

const settings = settingsOf("tiny", "mod", 2);
const OPENBLAS = { pthread: "/blas/pthread", openmp: "/blas/openmp" };

test("a PyTorch without MKL tries both numbers of threads with each OpenBLAS", () => {
  const all = stepCandidates({ engine: "pytorch-1.13", python: "python3", mkl: false }, settings, OPENBLAS);
  const ways = all.map(({ chosen, command }) => [
    command.settings.threads,
    chosen.openblas,
    command.env.LD_LIBRARY_PATH,
  ]);
  expect(ways).toEqual([
    [1, "pthread", "/blas/pthread"],
    [1, "openmp", "/blas/openmp"],
    [2, "pthread", "/blas/pthread"],
    [2, "openmp", "/blas/openmp"],
  ]);
  expect(all[0]!.command.env.OPENBLAS_NUM_THREADS).toBe("2");
  expect(all[0]!.command.args[0]).toMatch(/bench.peers.pytorch_step\.py$/);
});

test("other peers try what they have", () => {
  const ways = (engine: "pytorch" | "torch.compile" | "jax", mkl = true, folders = {}, given = settings) =>
    stepCandidates({ engine, python: "python3", mkl }, given, folders).map(({ command: { settings } }) => [
      settings.threads,
      settings.compile,
    ]);
  expect(ways("pytorch")).toEqual([
    [1, false],
    [2, false],
  ]);
  expect(ways("torch.compile", false)).toEqual([
    [1, true],
    [2, true],
  ]);
  expect(ways("jax", false, OPENBLAS)).toEqual([[2, false]]);
  expect(ways("pytorch", true, {}, settingsOf("tiny", "mod", 1))).toEqual([[1, false]]);
});

test("nothing pins a peer to old kernels or to few threads", () => {
  const base = { PATH: "/bin", OPENBLAS_CORETYPE: "Haswell", OMP_NUM_THREADS: "1", XLA_FLAGS: "--x" };
  const env = peerEnvironment({ LD_LIBRARY_PATH: "/blas" }, base);
  expect(env).toMatchObject({ PATH: "/bin", LD_LIBRARY_PATH: "/blas" });
  for (const name of ["OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "XLA_FLAGS"]) expect(env).not.toHaveProperty(name);
});
