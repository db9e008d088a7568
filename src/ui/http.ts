import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import { HttpError } from "./httpError.ts";

/** Nothing but what the page brings itself; no inline script, no frame around it. WebAssembly may be compiled. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** On every answer. The first two isolate the page, which gives it shared memory: threads of WebAssembly need it. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

const BODY_BYTES = 1 << 20;

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  const text = JSON.stringify(value);
  response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
  response.end(text);
}

export function sendBytes(response: ServerResponse, bytes: Uint8Array, type: string, cache = "no-store"): void {
  response.writeHead(200, { "Content-Type": type, "Content-Length": bytes.byteLength, "Cache-Control": cache });
  response.end(bytes);
}

/** The body of a request, checked. */
export async function readBody<S extends z.ZodType>(request: IncomingMessage, schema: S): Promise<z.output<S>> {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
    throw new HttpError(415, "the body must be application/json");
  }
  const parsed = schema.safeParse(parseJson(await readText(request)));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
  throw new HttpError(400, problems.join("; "));
}

async function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = new HttpError(413, `the body must be at most ${BODY_BYTES} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES) throw tooLarge;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > BODY_BYTES) throw tooLarge;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, "the body must be JSON");
  }
}
