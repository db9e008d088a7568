import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { peerEnvironment } from "./peerEnvironment.ts";
import { peerScript } from "./peerScript.ts";
import type { FoundPeer } from "./probe.ts";
import type { WorkerCommand, WorkerSettings } from "./worker.ts";

/** A way to run an engine, of which calibration keeps the fastest. */
export interface Candidate<Settings extends WorkerSettings = WorkerSettings> {
  readonly command: WorkerCommand<Settings>;
  /** How it differs from the others, beside threads, in words. */
  readonly chosen: Readonly<Record<string, string>>;
}

interface Variant {
  readonly chosen: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
}

/** How to start a program of this package, which lies beside this file. */
export const ourCommand = <Settings extends WorkerSettings>(
  program: string,
  settings: Settings,
): WorkerCommand<Settings> => ({
  program: process.execPath,
  args: [fileURLToPath(new URL(program, import.meta.url))],
  env: process.env,
  settings,
});

/** One thread, or all. */
export const threadChoices = (most: number): number[] => [...new Set([1, most])];

/** Ways to run a peer: one thread or all, and each OpenBLAS where PyTorch multiplies through that. */
export function peerCandidates<Settings extends WorkerSettings>(
  { engine, python, mkl }: FoundPeer,
  script: string,
  settings: Settings,
  openBlas: Readonly<Record<string, string>> = installedOpenBlas(),
): Candidate<Settings>[] {
  const command = { program: python, args: [peerScript(script)] };
  const choices = engine === "jax" ? [settings.threads] : threadChoices(settings.threads);
  const variants = engine === "jax" || mkl ? [PLAIN] : blasVariants(openBlas, settings.threads);
  return choices.flatMap((threads) =>
    variants.map(({ chosen, env }) => ({
      chosen: { ...chosen, ...MALLOC.chosen },
      command: { ...command, settings: { ...settings, threads }, env: peerEnvironment({ ...env, ...MALLOC.env }) },
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
