/** Metrics records as rows of numbers. */
import { isPlainObject } from "../run/json.ts";
import type { MetricsRecord } from "../run/metricsFormat.ts";

export type Row = Readonly<Record<string, number>>;

/** Fields of a step that are numbers and stand in a row as they are. */
const PLAIN = ["step", "tokens", "flops", "stepMs", "learningRate", "tokensPerSecond", "gradientNorm"];

/**
 * A step as a row: its plain numbers, `loss.NAME` for each loss, and what its routed layers did, means over them
 * (`predictor.accuracy`, `router.mean`, ...), and its experts (`experts.noOps`, ...). What is missing or not finite stays out.
 */
export function stepRow(record: MetricsRecord): Row {
  const row: Record<string, number> = {};
  for (const name of PLAIN) put(row, name, record[name]);
  if (isPlainObject(record.losses))
    for (const [name, loss] of Object.entries(record.losses)) put(row, `loss.${name}`, loss);
  if (Array.isArray(record.routing)) addRouting(row, record.routing.filter(isPlainObject));
  if (Array.isArray(record.experts)) addExperts(row, record.experts.filter(isPlainObject));
  return row;
}

type Layer = Readonly<Record<string, unknown>>;

function meanOver(layers: readonly Layer[], of: (layer: Layer) => unknown): number | undefined {
  const values = layers.map(of).filter((value) => typeof value === "number");
  return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;
}

function addExperts(row: Record<string, number>, layers: readonly Layer[]): void {
  for (const name of ["noOps", "dropped", "entropy"])
    put(
      row,
      `experts.${name}`,
      meanOver(layers, (layer) => layer[name]),
    );
}

function addRouting(row: Record<string, number>, layers: readonly Layer[]): void {
  const mean = (of: (layer: Layer) => unknown) => meanOver(layers, of);
  put(
    row,
    "router.mean",
    mean(({ routerMean }) => routerMean),
  );
  put(
    row,
    "router.std",
    mean(({ routerStd }) => routerStd),
  );
  for (const rule of ["predictor", "auxiliary"]) {
    for (const name of ["accuracy", "capacity"]) {
      put(
        row,
        `${rule}.${name}`,
        mean((layer) => (isPlainObject(layer[rule]) ? layer[rule][name] : undefined)),
      );
    }
  }
}

/** An evaluation as a row: `RULE.lossNats`, `RULE.bitsPerByte`, `RULE.accuracy`, and `RULE.capacity.LAYER`. */
export function evaluationRow(record: MetricsRecord): Row {
  const row: Record<string, number> = { step: record.step };
  const rules = isPlainObject(record.result) && isPlainObject(record.result.rules) ? record.result.rules : {};
  for (const [rule, result] of Object.entries(rules)) {
    if (!isPlainObject(result)) continue;
    for (const name of ["lossNats", "bitsPerByte", "accuracy"]) put(row, `${rule}.${name}`, result[name]);
    if (!Array.isArray(result.capacityByLayer)) continue;
    for (const [layer, share] of result.capacityByLayer.entries()) put(row, `${rule}.capacity.${layer}`, share);
  }
  return row;
}

function put(row: Record<string, number>, name: string, value: unknown): void {
  if (typeof value === "number" && Number.isFinite(value)) row[name] = value;
}
