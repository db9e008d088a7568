import { type GraphDefinition, input, matmul, slice, type Tensor } from "../graph/index.ts";
import { denseTwin, type ModelConfig } from "../model/config.ts";
import { parameterTensors } from "../model/parameterInputs.ts";
import { parameterList, type TransformerParameters } from "../model/parameters.ts";
import { constantParameters, type WeightFormat } from "../model/weights.ts";
import { type Executor, float32, type Runtime } from "../runtime/executor.ts";
import type { ProductTimes, SampleSettings } from "./sampleProtocol.ts";
import { modelConfig } from "./shapes.ts";
import { median } from "./statistics.ts";

/**
 * Times the matrix products of the dense model's token step without anything else: what no engine that multiplies through this
 * runtime can be faster than. They follow one another as in the model, each with weights of its own that come from memory.
 */
export async function timeProducts(settings: SampleSettings, runtime: Runtime): Promise<ProductTimes> {
  const { model, batch, dModel, weights } = settings;
  const rows = model === "mod" ? rowCounts(batch) : [batch];
  const executor = await runtime.compile(productGraph(denseTwin(modelConfig(settings)), weights));
  const denseMs: number[] = [];
  for (const count of rows) denseMs.push(await medianMs(executor, count, dModel));
  await executor.dispose();
  return { rows, denseMs };
}

/** 1, 2, 4, ... and the batch itself: a block computes as many sequences, or a number between. */
export function rowCounts(batch: number): number[] {
  const counts: number[] = [];
  for (let rows = 1; rows < batch; rows *= 2) counts.push(rows);
  return [...counts, batch];
}

/** The products of all blocks and the head. A part of one is enough to enter the next: copying it takes next to no time. */
function productGraph(config: ModelConfig, weights: WeightFormat): GraphDefinition {
  const { layers, head } = matrices(config, weights);
  const x = input("float32", ["rows", config.dModel]);
  let y = x;
  for (const { block } of layers) {
    const queries = slice(matmul(y, block.attention.qkv), 0, config.dModel, 1);
    const hidden = matmul(matmul(queries, block.attention.output), block.feedForward.up);
    y = matmul(hidden, block.feedForward.down);
  }
  return { name: "products", inputs: { x }, outputs: { y: matmul(y, head!) } };
}

/**
 * Elements are 1/inputs, which turns ones into about ones, but for one that is different in each matrix: ONNX Runtime keeps
 * equal matrices once, and would read that one from a cache.
 */
function matrices(config: ModelConfig, weights: WeightFormat): TransformerParameters<Tensor> {
  const specs = parameterList(config);
  const values = (name: string) => {
    const place = specs.findIndex((spec) => spec.name === name);
    const { size, shape } = specs[place]!;
    const array = new Float32Array(size).fill(1 / shape[0]!);
    array[0] = (place + 1) / shape[0]!;
    return array;
  };
  return parameterTensors(config, constantParameters(config, values, weights));
}

const LEAST_RUNS = 5;
const LEAST_MS = 100;

async function medianMs(executor: Executor, rows: number, width: number): Promise<number> {
  const feeds = { x: float32([rows, width], new Float32Array(rows * width).fill(1)) };
  await executor.run(feeds); // not counted: memory is laid out
  const times: number[] = [];
  const begun = performance.now();
  while (times.length < LEAST_RUNS || performance.now() - begun < LEAST_MS) {
    const started = performance.now();
    await executor.run(feeds);
    times.push(performance.now() - started);
  }
  return median(times);
}
