import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { peerScript } from "./machine.ts";
import { peerEnvironment } from "./peerEnvironment.ts";
import type { FoundPeer } from "./probe.ts";
import type { StepSettings } from "./protocol.ts";
import type { WorkerCommand } from "./worker.ts";

/** A way to run an engine, of which calibration keeps the fastest. */
export interface Candidate {
  readonly command: WorkerCommand;
  /** How it differs from the others, beside threads, in words. */
  readonly chosen: Readonly<Record<string, string>>;
}

interface Variant {
  readonly chosen: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
}

/** This package has one way to run: all threads it is given. */
export function ourCandidate(settings: StepSettings): Candidate {
  const script = fileURLToPath(new URL("./ourStep.js", import.meta.url));
  return { command: { program: process.execPath, args: [script], env: process.env, settings }, chosen: {} };
}

/** Ways to run a peer: one thread or all, and each OpenBLAS where PyTorch multiplies through that. */
export function peerCandidates(
  { engine, python, mkl }: FoundPeer,
  settings: StepSettings,
  openBlas: Readonly<Record<string, string>> = installedOpenBlas(),
): Candidate[] {
  const command = { program: python, args: [peerScript(engine === "jax" ? "jax_step.py" : "pytorch_step.py")] };
  const own = { ...settings, compile: engine === "torch.compile" };
  const threads = engine === "jax" ? [own.threads] : [...new Set([1, own.threads])];
  const variants = engine === "jax" || mkl ? [PLAIN] : blasVariants(openBlas, own.threads);
  return threads.flatMap((count) =>
    variants.map(({ chosen, env }) => ({
      chosen: { ...chosen, ...MALLOC.chosen },
      command: { ...command, settings: { ...own, threads: count }, env: peerEnvironment({ ...env, ...MALLOC.env }) },
    })),
  );
}

const PLAIN: Variant = { chosen: {}, env: {} };

/**
 * glibc gives large blocks back to the system when they are freed, and a step asks for them anew, page fault by page fault. With
 * these settings it keeps them: PyTorch is up to a fifth faster for it, JAX a little.
 */
const MALLOC: Variant = {
  chosen: { malloc: "keep" },
  env: { MALLOC_MMAP_MAX_: "0", MALLOC_TRIM_THRESHOLD_: String(1e11), MALLOC_TOP_PAD_: String(256 * 2 ** 20) },
};

/** Its threads are OpenBLAS's own or OpenMP's, apart from those of PyTorch: which is faster is tried. */
function blasVariants(folders: Readonly<Record<string, string>>, threads: number): Variant[] {
  const variants = Object.entries(folders).map(([name, folder]) => ({
    chosen: { openblas: name },
    env: { LD_LIBRARY_PATH: folder, OPENBLAS_NUM_THREADS: String(threads) },
  }));
  return variants.length > 0 ? variants : [PLAIN];
}

const MULTIARCH: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

/** Folders of Debian's builds of OpenBLAS, by the kind of their threads. */
function installedOpenBlas(): Record<string, string> {
  const folders = ["pthread", "openmp"].map((kind) => [kind, `/usr/lib/${MULTIARCH[process.arch]}/openblas-${kind}`]);
  return Object.fromEntries(folders.filter(([, folder]) => existsSync(folder!)));
}
