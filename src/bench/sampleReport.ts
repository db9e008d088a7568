import { z } from "zod";
import { WEIGHT_FORMATS } from "../model/weights.ts";
import {
  chosenSchema,
  count,
  ENGINES,
  type EngineName,
  machineSchema,
  missingSchema,
  positive,
  spreadSchema,
} from "./document.ts";
import { isPeerModel, MODELS } from "./protocol.ts";
import { productsMs, realisedCapacity, weightBytes } from "./sampleLimit.ts";
import type { ProductTimes, SampleReady, SampleSettings, Segment } from "./sampleProtocol.ts";
import { SAMPLE_SHAPES, type SampleShapeName } from "./shapes.ts";
import { median } from "./statistics.ts";

const rowKeys = {
  engine: z.enum(ENGINES),
  model: z.enum(MODELS),
  weights: z.enum(WEIGHT_FORMATS),
  shape: z.enum(SAMPLE_SHAPES),
  batch: count.describe("sequences at once"),
};

const rowSchema = z.strictObject({
  ...rowKeys,
  threads: count,
  settings: chosenSchema,
  version: z.string(),
  msPerToken: spreadSchema.describe(
    "time of a token step, one more token of each sequence: of each step the median or least over the rounds, and the mean of those",
  ),
  tokensPerSecond: positive.describe("of all sequences together, by the median"),
  firstTokenMs: positive.describe("until every sequence has its first new token; median"),
  realisedCapacity: z.number().min(0).max(1).nullable().describe("share of the tokens that routed blocks computed"),
  kvMiB: positive.describe("allocated for keys and values"),
  weightBandwidth: positive
    .nullable()
    .describe("weights that a token step must read over its time, GB/s; null with experts"),
  limitMs: positive
    .nullable()
    .describe("the matrix products of a token step alone; of this package, null with experts"),
  limitShare: positive.nullable().describe("limitMs over the median: 1 if all time went into matrix products"),
});
export type SampleRow = z.output<typeof rowSchema>;

const speedupSchema = z.strictObject({
  ...rowKeys,
  over: z.enum([...ENGINES, "dense", "float32"]).describe("the row it is compared with: this in place of its own"),
  ratio: positive.describe("that row's median over its own: above 1, it is faster"),
  productsRatio: positive.nullable().describe("the same of the matrix products alone, where both were measured"),
  shareOfProducts: positive.nullable().describe("ratio over productsRatio: 1 if all that products save is saved"),
});
export type SampleSpeedup = z.output<typeof speedupSchema>;

/** What `mod bench sample --json` prints. */
export const sampleBenchSchema = z.strictObject({
  machine: machineSchema,
  commit: z.string().nullable(),
  rule: z
    .literal("random")
    .describe("how routed blocks decide: by chance, each token with their capacity's probability"),
  prompt: count.describe("tokens of each prompt"),
  tokens: count.describe("new tokens of each sequence"),
  readBandwidth: z.strictObject({ threads: count, gigabytesPerSecond: positive }).describe("of summing up 1 GiB"),
  rows: z.array(rowSchema),
  missing: z.array(missingSchema).describe("engines, or single rows of one, that could not be measured"),
  speedups: z.array(speedupSchema),
});
export type SampleBench = z.output<typeof sampleBenchSchema>;

/** What one turn of a row gives. */
export interface SampleTurn extends Segment {
  /** With the last segment of a generation, of this package. */
  readonly products: ProductTimes | null;
}

/** A whole generation. */
interface Generation {
  readonly firstTokenMs: number;
  readonly stepMs: readonly number[];
  readonly kvMiB: number;
  readonly routedRows: number[];
  readonly products: ProductTimes | null;
}

function generationsOf(turns: readonly SampleTurn[]): Generation[] {
  const generations: Generation[] = [];
  let segments: SampleTurn[] = [];
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  for (const turn of turns) {
    segments.push(turn);
    if (!turn.isLast) continue;
    generations.push({
      firstTokenMs: segments[0]!.firstTokenMs!,
      stepMs: segments.flatMap(({ stepMs }) => stepMs),
      kvMiB: turn.kvMiB,
      routedRows: turn.routedRows.map((_, rows) => sum(segments.map(({ routedRows }) => routedRows[rows]!))),
      products: turn.products,
    });
    segments = [];
  }
  return generations;
}

/** What was measured of one engine with one model. */
export interface SampleMeasured {
  readonly engine: EngineName;
  readonly shape: SampleShapeName;
  readonly settings: SampleSettings;
  readonly chosen: Readonly<Record<string, string>>;
  readonly ready: SampleReady;
  readonly turns: readonly SampleTurn[];
}

/**
 * Mean over the steps of a generation of what `choose` makes of each step's times over the rounds. Steps differ, by how many sequences
 * routed blocks compute, but are the same in every round: so what disturbs one of them can be left out.
 */
export const meanStep = (
  rounds: readonly (readonly number[])[],
  choose: (times: readonly number[]) => number,
): number => {
  const chosen = rounds[0]!.map((_, step) => choose(rounds.map((times) => times[step]!)));
  return chosen.reduce((a, b) => a + b) / chosen.length;
};

/** A row of the document. */
export function sampleRow({ engine, shape, settings, chosen, ready, turns }: SampleMeasured): SampleRow {
  const { model, weights, batch } = settings;
  const generations = generationsOf(turns);
  const { routedRows, kvMiB } = generations[0]!; // the same each time
  const steps = generations.map(({ stepMs }) => stepMs);
  const msPerToken = { median: meanStep(steps, median), min: meanStep(steps, (times) => Math.min(...times)) };
  const limits = generations.flatMap(({ products }) => (products ? [productsMs(settings, products, routedRows)] : []));
  const limitMs = limits.length > 0 ? median(limits) : null;
  return {
    ...{ engine, model, weights, shape, batch, threads: ready.threads },
    ...(Object.keys(chosen).length > 0 && { settings: { ...chosen } }),
    version: ready.version,
    msPerToken,
    tokensPerSecond: (1000 * batch) / msPerToken.median,
    firstTokenMs: median(generations.map((generation) => generation.firstTokenMs)),
    realisedCapacity: realisedCapacity(routedRows, batch),
    kvMiB,
    // Which experts were read is not recorded.
    weightBandwidth: isPeerModel(model) ? weightBytes(settings, routedRows) / msPerToken.median / 1e6 : null,
    limitMs,
    limitShare: limitMs === null ? null : limitMs / msPerToken.median,
  };
}

/** Ratios of medians of rows that took turns: each to the dense model, to float32, and ours to the peers. */
export const sampleSpeedups = (rows: readonly SampleRow[]): SampleSpeedup[] =>
  rows.flatMap((row) => {
    const { engine, model, weights, shape, batch } = row;
    const others: Partial<Record<SampleSpeedup["over"], Partial<SampleRow>>> = {
      ...(model !== "dense" && { dense: { model: "dense" } }),
      ...(weights !== "float32" && { float32: { weights: "float32" } }),
      ...(engine === "ours" && Object.fromEntries(PEER_ENGINES.map((peer) => [peer, { engine: peer }]))),
    };
    return Object.entries(others).flatMap(([over, change]) => {
      const other = rows.find((each) => isRow(each, { engine, model, weights, shape, batch, ...change }));
      if (other === undefined) return [];
      const ratio = other.msPerToken.median / row.msPerToken.median;
      const productsRatio = other.limitMs === null || row.limitMs === null ? null : other.limitMs / row.limitMs;
      const shareOfProducts = productsRatio && ratio / productsRatio;
      const measures = { ratio, productsRatio, shareOfProducts };
      return [{ engine, model, weights, shape, batch, over: over as SampleSpeedup["over"], ...measures }];
    });
  });

const PEER_ENGINES = ENGINES.filter((engine) => engine !== "ours");

const isRow = (row: SampleRow, keys: Partial<SampleRow>): boolean =>
  Object.entries(keys).every(([key, value]) => row[key as keyof SampleRow] === value);
