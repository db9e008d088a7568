import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import type { Document } from "./document.ts";

const LINE_FEED = 0x0a;

/** Lines of a byte stream, without their line feeds; memory holds one line and one chunk. */
async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let started: Buffer[] = [];
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      const rest = chunk.subarray(from, end);
      yield started.length === 0 ? rest : Buffer.concat([...started, rest]);
      started = [];
      from = end + 1;
    }
    if (from < chunk.length) started.push(chunk.subarray(from));
  }
  if (started.length > 0) yield Buffer.concat(started);
}

function openChunks(file: string): AsyncIterable<Buffer> {
  const raw = createReadStream(file, { highWaterMark: 1 << 20 });
  if (!file.toLowerCase().endsWith(".gz")) return raw;
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  raw.on("error", (error) => unpacked.destroy(error));
  // A reader that stops early closes the unpacked stream; the file behind it must not stay open.
  unpacked.on("close", () => raw.destroy());
  return raw.pipe(unpacked);
}

function textOf(line: string, where: string, column: string): string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new Error(`readDocuments: a line must be a JSON object, and ${where} is not JSON: ${line.slice(0, 60)}`, {
      cause,
    });
  }
  const fields = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const text = Object.hasOwn(fields, column) ? fields[column] : undefined;
  if (typeof text === "string") return text;
  const names = Object.keys(fields).join(", ") || "none";
  throw new Error(
    `readDocuments: ${where} must hold a string in the field "${column}", got fields ${names}; name the field with textColumn`,
  );
}

/** The documents of a `.jsonl` or `.jsonl.gz` file, named `name:line` with lines from 1; blank lines are skipped. */
export async function* readJsonLines(file: string, name: string, column: string): AsyncGenerator<Document> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 0;
  const lines = splitLines(openChunks(file));
  for (;;) {
    const next = await lines.next().catch((cause: Error) => {
      throw new Error(`readDocuments: ${file} cannot be read after line ${number}: ${cause.message}`, { cause });
    });
    if (next.done) return;
    number++;
    let line: string;
    try {
      line = decoder.decode(next.value).trim();
    } catch (cause) {
      throw new Error(`readDocuments: text must be UTF-8, and ${file} line ${number} is not; convert it`, { cause });
    }
    if (line !== "") yield { name: `${name}:${number}`, text: textOf(line, `${file} line ${number}`, column) };
  }
}
