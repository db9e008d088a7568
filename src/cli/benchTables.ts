import type { Machine } from "../bench/document.ts";
import type { BenchRow, OverPeers, Speedups, TrainBench } from "../bench/report.ts";
import type { SampleBench, SampleRow, SampleSpeedup } from "../bench/sampleReport.ts";
import { percent, table } from "./format.ts";
import type { Output } from "./output.ts";

/** A machine that does nothing else stays below this many runnable threads. */
const IDLE_LOAD = 0.5;

/** The result of `mod bench train` for people: rows, then what they come to. */
export function printTrainBench({ machine, commit, rows, missing, speedups }: TrainBench, output: Output): void {
  printMachine(machine, commit, output);
  output.print(rowTable(rows));
  if (speedups.overDense.length > 0) output.print(`\n${overDenseTable(speedups.overDense)}`);
  if (speedups.oursOverPeers.length > 0) output.print(`\n${oursOverPeersTable(speedups.oursOverPeers)}`);
  printMissing(missing, output);
}

/** The result of `mod bench sample` for people. */
export function printSampleBench(result: SampleBench, output: Output): void {
  const { machine, commit, prompt, tokens, readBandwidth, rows, missing, speedups } = result;
  printMachine(machine, commit, output);
  const bandwidth = `${ms(readBandwidth.gigabytesPerSecond)} GB/s with ${readBandwidth.threads} threads`;
  output.print(`${prompt} tokens of prompt, ${tokens} new ones; memory is read at ${bandwidth}`);
  output.print("Routed blocks decide by chance (rule random), so that they compute their nominal share.");
  output.print(sampleRowTable(rows));
  if (speedups.length > 0) output.print(`\n${sampleSpeedupTable(speedups)}`);
  printMissing(missing, output);
}

function printMachine({ cpu, cores, node, onnxruntime, loadAverage }: Machine, commit: string | null, output: Output) {
  output.print(`${cpu}, ${cores} cores; Node ${node}, ONNX Runtime ${onnxruntime}; commit ${commit ?? "unknown"}`);
  if (loadAverage > IDLE_LOAD)
    output.print(`The machine was busy before (load ${times(loadAverage)}): times may be off.`);
}

function printMissing(missing: TrainBench["missing"], output: Output): void {
  for (const { engine, reason } of missing) output.print(`missing: ${engine} (${reason})`);
}

const ms = (value: number) => value.toPrecision(value < 100 ? 3 : 4).replace(/\.$/, "");
const times = (value: number) => value.toFixed(2);

const rowTable = (rows: readonly BenchRow[]): string =>
  table(
    "shape,model,engine,version,threads,step ms,min,fwd+bwd ms,min,tokens/s,GFLOP/s,peak MiB,settings".split(","),
    rows.map((row) => [
      ...[row.shape, row.model, row.engine, row.version, String(row.threads)],
      ...[row.stepMs.median, row.stepMs.min, row.forwardBackwardMs.median, row.forwardBackwardMs.min].map(ms),
      ...[row.tokensPerSecond, row.gflops, row.peakMiB].map((value) => value.toFixed(0)),
      settingsText(row),
    ]),
  );

const settingsText = ({ settings = {} }: Pick<BenchRow, "settings">): string =>
  Object.entries(settings)
    .map((setting) => setting.join("="))
    .join(" ");

const overDenseTable = (entries: Speedups["overDense"]): string =>
  table(
    "over dense,model,shape,step,fwd+bwd,FLOPs,share of it in the step,in fwd+bwd".split(","),
    entries.map(({ engine, shape, model, step, forwardBackward, flops, shareOfFlops }) => [
      ...[engine, model, shape],
      ...[step, forwardBackward, flops].map(times),
      ...[shareOfFlops.step, shareOfFlops.forwardBackward].map(percent),
    ]),
  );

const oursOverPeersTable = (entries: Speedups["oursOverPeers"]): string =>
  table(
    "ours over peers,shape,model,fastest peer,over it,over pytorch-1.13".split(","),
    entries.flatMap(({ shape, model, ...measures }) =>
      (["step", "forwardBackward"] as const).map((measure) => peerCells(measure, shape, model, measures[measure])),
    ),
  );

const peerCells = (measure: string, shape: string, model: string, over: OverPeers): string[] => [
  measure === "step" ? "full step" : "fwd+bwd",
  ...[shape, model, over.fastestPeer],
  ...[times(over.overFastest), orDash(over.overPyTorch113, times)],
];

const orDash = (value: number | null, text: (value: number) => string): string => (value === null ? "-" : text(value));

const sampleRowTable = (rows: readonly SampleRow[]): string =>
  table(
    "shape,batch,model,engine,version,weights,threads,ms a token step,min,tokens/s,first token ms,capacity,KV MiB,weights GB/s,limit ms,share,settings".split(
      ",",
    ),
    rows.map((row) => [
      ...[row.shape, String(row.batch), row.model, row.engine, row.version, row.weights, String(row.threads)],
      ...[row.msPerToken.median, row.msPerToken.min].map(ms),
      ...[row.tokensPerSecond.toFixed(0), ms(row.firstTokenMs), orDash(row.realisedCapacity, percent)],
      ...[ms(row.kvMiB), orDash(row.weightBandwidth, ms)],
      ...[orDash(row.limitMs, ms), orDash(row.limitShare, percent), settingsText(row)],
    ]),
  );

const sampleSpeedupTable = (speedups: readonly SampleSpeedup[]): string =>
  table(
    "shape,batch,model,engine,weights,over,times as fast,its products,share of that".split(","),
    speedups.map(({ shape, batch, model, engine, weights, over, ratio, productsRatio, shareOfProducts }) => [
      ...[shape, String(batch), model, engine, weights, over, times(ratio)],
      ...[orDash(productsRatio, times), orDash(shareOfProducts, percent)],
    ]),
  );
