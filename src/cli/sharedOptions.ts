import { z } from "zod";
import { PROVIDERS, type Provider, type Runtime } from "../runtime/executor.ts";

/** A whole number from the command line. */
export const whole = (least: number) => z.coerce.number().pipe(z.int().min(least));

/** A number from the command line. */
export const real = (least: number, most = Number.POSITIVE_INFINITY) =>
  z.coerce.number().pipe(z.number().min(least).max(most));

export const jsonOption = { json: z.boolean().default(false).describe("print one JSON document on standard output") };

export const runtimeOptions = {
  provider: z.enum(PROVIDERS).optional().describe("where graphs run (default: cpu)"),
  threads: whole(1).optional().describe("threads of the CPU provider (default: all)"),
};

export const checkpointOption = {
  checkpoint: z.enum(["best", "latest"]).default("best").describe("which checkpoint of the run"),
};

/** The runtime asked for; ONNX Runtime is loaded only now, so that `--help` stays fast. */
export async function makeRuntime(options: {
  readonly provider?: Provider | undefined;
  readonly threads?: number | undefined;
}): Promise<Runtime> {
  const { nodeRuntime } = await import("../runtime/node.ts");
  const { provider, threads } = options;
  return nodeRuntime({ ...(provider && { provider }), ...(threads && { threads }) });
}
