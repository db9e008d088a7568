/** A model of a local run, looked into and sampled from by the local server. */
import type { GenerateLine, RunSummary } from "../../src/ui/api.ts";
import { post, runPath } from "./data/server.ts";
import type { GeneratedToken, GenerateOptions, Inspection, OpenModel } from "./engine.ts";

export function serverModel({ id, model }: RunSummary): OpenModel {
  return {
    name: id,
    summary: model!,
    inspect: async (text, rule) => {
      const body = { text, ...(rule !== undefined && { rule }) };
      return (await (await post(runPath(id, "inspect"), body)).json()) as Inspection;
    },
    generate: (prompt, options) => generate(id, prompt, options),
    close: async () => {},
  };
}

async function* generate(id: string, prompt: string, options: GenerateOptions): AsyncGenerator<GeneratedToken> {
  const { signal, ...rest } = options;
  const response = await post(runPath(id, "generate"), { prompt, ...rest }, signal);
  for await (const line of linesOf(response.body!)) {
    const parsed = JSON.parse(line) as GenerateLine;
    if (parsed.kind === "error") throw new Error(parsed.message);
    yield parsed;
  }
}

/** Lines of a stream, as they come. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const lines = (rest + read.value).split("\n");
      rest = lines.pop()!;
      yield* lines.filter((line) => line !== "");
    }
    if (rest !== "") yield rest;
  } finally {
    void reader.cancel().catch(() => {});
  }
}
