import type { BenchRow, OverPeers, Speedups, TrainBench } from "../bench/report.ts";
import { percent, table } from "./format.ts";
import type { Output } from "./output.ts";

/** A machine that does nothing else stays below this many runnable threads. */
const IDLE_LOAD = 0.5;

/** The result of `mod bench train` for people: rows, then what they come to. */
export function printTrainBench({ machine, commit, rows, missing, speedups }: TrainBench, output: Output): void {
  const { cpu, cores, node, onnxruntime, loadAverage } = machine;
  output.print(`${cpu}, ${cores} cores; Node ${node}, ONNX Runtime ${onnxruntime}; commit ${commit ?? "unknown"}`);
  if (loadAverage > IDLE_LOAD)
    output.print(`The machine was busy before (load ${times(loadAverage)}): times may be off.`);
  output.print(rowTable(rows));
  if (speedups.modOverDense.length > 0) output.print(`\n${modOverDenseTable(speedups.modOverDense)}`);
  if (speedups.oursOverPeers.length > 0) output.print(`\n${oursOverPeersTable(speedups.oursOverPeers)}`);
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
      Object.entries(row.settings ?? {})
        .map((setting) => setting.join("="))
        .join(" "),
    ]),
  );

const modOverDenseTable = (entries: Speedups["modOverDense"]): string =>
  table(
    "mod over dense,shape,step,fwd+bwd,FLOPs,share of it in the step,in fwd+bwd".split(","),
    entries.map(({ engine, shape, step, forwardBackward, flops, shareOfFlops }) => [
      ...[engine, shape],
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
  ...[times(over.overFastest), over.overPyTorch113 === null ? "-" : times(over.overPyTorch113)],
];
