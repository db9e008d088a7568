import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { slurmScript } from "./slurm.ts";

const folder = mkdtempSync(path.join(tmpdir(), "mod-slurm-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = {
  name: "isoflop",
  dir: "/data/studies/iso flop",
  ids: ["1e9-a-s0", "1e9-b-s0"],
  threads: 2,
  logs: "/logs",
};

test("asks for a task a run", () => {
  const script = slurmScript({ ...options, command: ["mod"], atOnce: 5, time: "1:00:00", partition: "cpu" });
  for (const line of ["--array=0-1%5", "--cpus-per-task=2", "--time=1:00:00", "--partition=cpu", "--requeue"]) {
    expect(script).toContain(`#SBATCH ${line}\n`);
  }
  expect(slurmScript({ ...options, command: ["mod"] })).toContain("#SBATCH --array=0-1\n");
});

test("a task runs its own run, and passes the end of its time on", () => {
  const program = path.join(folder, "it's mod");
  writeFileSync(
    program,
    `#!/bin/bash\ntrap 'kill $!; echo saved >> "${folder}/out"; exit 130' TERM\necho "$@" > "${folder}/out"\nsleep 60 >/dev/null 2>&1 & wait $!\n`,
    {
      mode: 0o755,
    },
  );
  const script = path.join(folder, "array.sh");
  writeFileSync(script, slurmScript({ ...options, command: [program] }));
  const begun = `until [ -s "${folder}/out" ]; do sleep 0.05; done`;
  execFileSync("bash", ["-c", `SLURM_ARRAY_TASK_ID=1 bash "${script}" & ${begun}; kill -TERM $!; wait $!; true`]);
  expect(readFileSync(path.join(folder, "out"), "utf8")).toBe(
    "study run /data/studies/iso flop --workers 1 --threads 2 --retry-failed --only 1e9-b-s0\nsaved\n",
  );
});
