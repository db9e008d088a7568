/** What the documents of all benchmarks have in common. */
import { z } from "zod";

/** This package, and what it is compared with. */
export const ENGINES = ["ours", "pytorch-1.13", "pytorch", "torch.compile", "jax"] as const;
export type EngineName = (typeof ENGINES)[number];

export const positive = z.number().gt(0);
export const count = z.int().min(1);
export const spreadSchema = z.strictObject({ median: positive, min: positive });

/** What calibration chose. */
export const chosenSchema = z.record(z.string(), z.string()).optional().describe("what was chosen, beside threads");

export const machineSchema = z.strictObject({
  cpu: z.string(),
  cores: count,
  node: z.string(),
  onnxruntime: z.string(),
  loadAverage: z.number().min(0).describe("runnable threads in the minute before: others that take the processor"),
});
export type Machine = z.output<typeof machineSchema>;

export const missingSchema = z.strictObject({ engine: z.enum(ENGINES), reason: z.string() });
export type MissingEngine = z.output<typeof missingSchema>;
