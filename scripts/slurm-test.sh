#!/bin/bash
# Tries `mod study submit --slurm` on a real Slurm of one node, on this machine. Needs root, and Debian's packages slurm-wlm and munge
# (apt-get install slurm-wlm munge); no systemd. Not part of CI: bash scripts/slurm-test.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mod=(node "$root/dist/cli/mod.js")
work=$(mktemp -d)
config=$work/slurm.conf
export SLURM_CONF=$config
host=$(hostname -s)

stop() {
  pkill -F "$work/slurmctld.pid" 2>/dev/null || true
  pkill -F "$work/slurmd.pid" 2>/dev/null || true
  pkill -F "$work/munged.pid" 2>/dev/null || true
  sleep 1
  rm -rf "$work"
}
trap stop EXIT

command -v slurmctld sbatch munged >/dev/null || { echo "needs slurm-wlm and munge"; exit 2; }
[ -f "$root/dist/cli/mod.js" ] || { echo "needs the build: npm run build"; exit 2; }

# A key and a socket of our own: whatever munge the machine has stays as it is.
chmod 755 "$work"
mkdir -m 700 "$work/munge"
mkdir -m 755 "$work/socket"
head -c 1024 /dev/urandom > "$work/munge/key" && chmod 400 "$work/munge/key"
munged --force --key-file="$work/munge/key" --socket="$work/socket/munge" --pid-file="$work/munged.pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed"

cat > "$config" <<END
ClusterName=test
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/socket/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName=$host CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
mkdir "$work/state" "$work/spool"
slurmctld -f "$config"
slurmd -f "$config"

cd "$work"
mkdir texts study
for i in 1 2 3 4 5 6; do
  for _ in $(seq 200); do echo "document $i says that the state of the union is strong"; done > "texts/$i.txt"
done
cat > study/study.json <<'END'
{
  "description": "four tiny runs",
  "base": {
    "model": { "seqLen": 32, "nLayer": 2, "nHead": 2 },
    "data": { "sources": ["texts"], "tokenizer": { "kind": "bytes" } },
    "train": { "batchSize": 4, "evaluate": { "tokens": 256 }, "checkpoint": { "every": 5 } }
  },
  "families": { "vanilla": {}, "mod": { "model": { "pattern": ["dense", "mod"], "routing": { "kind": "learned" } } } },
  "sizes": { "2x32": { "dModel": 32 }, "2x48": { "dModel": 48 } },
  "learningRate": { "peak": 3e-3, "atWidth": 32 },
  "grid": [{ "budgets": [2e9], "families": ["vanilla", "mod"], "sizes": ["2x32", "2x48"] }]
}
END
"${mod[@]}" study submit study --slurm --time 10:00
for _ in $(seq 120); do
  [ -z "$(squeue --noheader)" ] && break
  sleep 1
done
cat study/runs/slurm/*.log
"${mod[@]}" study plan study
done=$(ls study/results | wc -l)
[ "$done" = 4 ] || { echo "FAILED: $done of 4 runs are done"; cat "$work"/slurm*.log; exit 1; }
"${mod[@]}" study submit study --slurm | grep -q "nothing is left" || { echo "FAILED: submits what is done"; exit 1; }
echo "Slurm made all four runs"
