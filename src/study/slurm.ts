/** What a Slurm array job is asked for. */
export interface SlurmOptions {
  readonly name: string;
  /** The study's folder, as the nodes see it. */
  readonly dir: string;
  /** The runs, one array task each. */
  readonly ids: readonly string[];
  /** The command that starts `mod` on a node: a program and what comes before its arguments. */
  readonly command: readonly string[];
  readonly threads: number;
  /** Most tasks at once; no limit, if not given. */
  readonly atOnce?: number;
  /** `hours:minutes:seconds` of each task. */
  readonly time?: string;
  readonly partition?: string;
  /** Folder of the tasks' output. */
  readonly logs: string;
}

/** The script of an array job: task i makes run i. A task that is started again goes on from the run's last checkpoint. */
export function slurmScript({ name, dir, ids, command, threads, atOnce, time, partition, logs }: SlurmOptions): string {
  const limit = atOnce === undefined ? "" : `%${atOnce}`;
  const settings = {
    "job-name": name,
    array: `0-${ids.length - 1}${limit}`,
    "cpus-per-task": threads,
    output: `${logs}/%A_%a.log`,
    requeue: true,
    // So that a task whose time is over can save: its shell passes the signal on.
    signal: "B:TERM@60",
    ...(time !== undefined && { time }),
    ...(partition !== undefined && { partition }),
  };
  const lines = Object.entries(settings).map(([key, value]) => `#SBATCH --${key}${value === true ? "" : `=${value}`}`);
  const work = ["study", "run", dir, "--workers", "1", "--threads", String(threads), "--retry-failed", "--only"];
  const words = [...command, ...work].map(quoted);
  return `#!/bin/bash
${lines.join("\n")}
ids=(
${ids.map((id) => `  ${quoted(id)}`).join("\n")}
)
${words.join(" ")} "\${ids[$SLURM_ARRAY_TASK_ID]}" &
work=$!
trap 'kill -TERM "$work"; wait "$work"' TERM
wait "$work"
`;
}

const quoted = (word: string): string => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
