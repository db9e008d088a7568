/** Who may ask what. The server listens on loopback, but every page that a browser has open can send requests there. */
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { HttpError } from "./httpError.ts";

/** The names under which a browser on this machine reaches a port. */
export const hostNames = (port: number): string[] =>
  ["127.0.0.1", "localhost", "[::1]"].map((name) => `${name}:${port}`);

/**
 * Refuses what a page of another site sends: by `Host`, which a rebound name cannot forge, by `Origin`, and by
 * `Sec-Fetch-Site`, which browsers add themselves. A click on a link to the page itself is allowed.
 *
 * @throws HttpError
 */
export function checkSource({ headers, socket, url = "/" }: IncomingMessage): void {
  const allowed = hostNames(socket.localPort!);
  const { host = "", origin } = headers;
  if (!allowed.includes(host)) {
    throw new HttpError(403, `Host must be one of ${allowed.join(", ")}, got "${host}"`);
  }
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new HttpError(403, `Origin must be http://${host}, got "${origin}"`);
  }
  const site = headers["sec-fetch-site"];
  const isForeign = site !== undefined && site !== "same-origin" && site !== "none";
  if (isForeign && url.startsWith("/api/")) {
    throw new HttpError(403, `requests must come from the page itself, got one that is ${site}`);
  }
}

/** Whether a request brings the token that starts and stops work. */
export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const [expected, given] = [`Bearer ${token}`, headers.authorization ?? ""].map((text) => Buffer.from(text));
  return expected!.byteLength === given!.byteLength && timingSafeEqual(expected!, given!);
}
