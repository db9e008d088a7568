import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Copies of a run under other names, without its checkpoints: a list does not open them. */
export function manyRuns(source: string, root: string, count: number): void {
  const texts = ["config.json", "tokenizer.json", "metrics.jsonl"].map(
    (name) => [name, readFileSync(path.join(source, name))] as const,
  );
  for (let i = 0; i < count; i++) {
    const dir = path.join(root, `run-${String(i).padStart(4, "0")}`);
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of texts) writeFileSync(path.join(dir, name), text);
  }
}

/** The same run with metrics of many steps. */
export function longRun(source: string, dir: string, steps: number): void {
  cpSync(source, dir, { recursive: true, filter: (file) => !file.includes("checkpoints") });
  const lines = Array.from({ length: steps }, (_, i) => {
    const step = i + 1;
    const lm = 2 + 4 * Math.exp(-step / 9000) + 0.3 * Math.abs((Math.sin(step * 12.9898) * 43758.5453) % 1);
    const record = {
      ...{ kind: "step", step, losses: { lm }, learningRate: 1e-3, stepMs: 100, tokensPerSecond: 9000 + (step % 500) },
      ...{ gradientNorm: 1, tokens: 512 * step, flops: 1e9 * step },
    };
    return JSON.stringify(record);
  });
  writeFileSync(path.join(dir, "metrics.jsonl"), `${lines.join("\n")}\n`);
}
