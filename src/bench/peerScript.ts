import { fileURLToPath } from "node:url";

/** A program of a peer, which lies in bench/peers. */
export const peerScript = (name: string): string =>
  fileURLToPath(new URL(`../../bench/peers/${name}`, import.meta.url));
