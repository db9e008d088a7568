import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";
import type { EngineName, MissingEngine } from "./document.ts";
import { peerEnvironment } from "./peerEnvironment.ts";
import { peerScript } from "./peerScript.ts";

const absentSchema = z.object({ error: z.string() });
const probeSchema = z.object({
  torch: z.union([z.object({ version: z.string(), mkl: z.boolean() }), absentSchema]),
  jax: z.union([z.object({ version: z.string() }), absentSchema]),
});

/** What a Python interpreter has to offer. */
export interface Probe {
  readonly python: string;
  readonly found: z.output<typeof probeSchema> | { readonly error: string };
}

/** A peer and the interpreter that has it. */
export interface FoundPeer {
  readonly engine: PeerName;
  readonly python: string;
  /** Whether PyTorch multiplies through MKL; if not, through whichever BLAS the system has. */
  readonly mkl: boolean;
}

export type PeerName = Exclude<EngineName, "ours">;
export const PEERS = ["pytorch-1.13", "pytorch", "torch.compile", "jax"] as const satisfies PeerName[];

/** Asks an interpreter, by path or name, which peers it can import. */
export async function probe(python: string): Promise<Probe> {
  try {
    const { stdout } = await promisify(execFile)(python, [peerScript("probe.py")], { env: peerEnvironment() });
    return parseProbe(python, stdout);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { python, found: { error: code === "ENOENT" ? "no such program" : message.trim().split("\n").at(-1)! } };
  }
}

/** Reads the last line of what bench/peers/probe.py printed. */
export function parseProbe(python: string, printed: string): Probe {
  const line = printed.trim().split("\n").at(-1)!;
  const result = probeSchema.safeParse(line.startsWith("{") ? JSON.parse(line) : undefined);
  return { python, found: result.success ? result.data : { error: `probe.py printed ${JSON.stringify(line)}` } };
}

/** Peers that were looked for. */
export interface Peers {
  readonly found: readonly FoundPeer[];
  readonly missing: readonly MissingEngine[];
}

/** Looks for peers in Python interpreters; without any, for none. */
export const lookForPeers = async (pythons: readonly string[], wanted: readonly PeerName[]): Promise<Peers> =>
  pythons.length === 0 ? { found: [], missing: [] } : findPeers(await Promise.all(pythons.map(probe)), wanted);

/** Each peer with the first interpreter that has it, and why the others are missing. */
export function findPeers(probes: readonly Probe[], wanted: readonly PeerName[] = PEERS): Peers {
  const found: FoundPeer[] = [];
  const missing: MissingEngine[] = [];
  for (const engine of wanted) {
    const peer = probes.find((candidate) => offers(candidate, engine));
    if (peer === undefined) missing.push({ engine, reason: probes.map((each) => whyNot(each, engine)).join("; ") });
    else found.push({ engine, python: peer.python, mkl: "torch" in peer.found && usesMkl(peer.found.torch) });
  }
  return { found, missing };
}

const usesMkl = (torch: object): boolean => "mkl" in torch && torch.mkl === true;

const libraryOf = (engine: PeerName): "torch" | "jax" => (engine === "jax" ? "jax" : "torch");

function offers({ found }: Probe, engine: PeerName): boolean {
  if ("error" in found) return false;
  const library = found[libraryOf(engine)];
  if ("error" in library) return false;
  if (engine === "jax") return true;
  const is113 = /^1\.13\b/.test(library.version);
  return engine === "pytorch-1.13" ? is113 : Number.parseInt(library.version, 10) >= 2;
}

function whyNot({ python, found }: Probe, engine: PeerName): string {
  if ("error" in found) return `${python}: ${found.error}`;
  const library = found[libraryOf(engine)];
  return `${python}: ${"error" in library ? library.error : `torch ${library.version}`}`;
}
