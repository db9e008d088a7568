/** The process that measures how fast this machine reads memory: run as a program, says it in its first line (worker.ts). */
import { z } from "zod";
import { input, sum } from "../graph/index.ts";
import { float32 } from "../runtime/executor.ts";
import { nodeRuntime } from "../runtime/node.ts";

const ROWS = 2 ** 16;
const COLUMNS = 2 ** 12;
const RUNS = 5;

const { threads } = z.object({ threads: z.int().min(1) }).parse(JSON.parse(process.argv[2]!));
const x = input("float32", [ROWS, COLUMNS]);
const executor = await nodeRuntime({ threads }).compile({ name: "sum", inputs: { x }, outputs: { y: sum(x, [1]) } });
const feeds = { x: float32([ROWS, COLUMNS], new Float32Array(ROWS * COLUMNS).fill(1)) }; // 1 GiB
let bestMs = Number.POSITIVE_INFINITY;
for (let run = 0; run < RUNS; run++) {
  const started = performance.now();
  await executor.run(feeds);
  bestMs = Math.min(bestMs, performance.now() - started);
}
process.stdout.write(`${JSON.stringify({ threads, gigabytesPerSecond: feeds.x.data.byteLength / bestMs / 1e6 })}\n`);
await executor.dispose();
