#!/bin/bash
# one_flow, preset paper: One flow to correct them all (arXiv:2403.18582)
# Written by `vispa-green jobs submit`. It is yours: read it, change it, submit it with gsbatch or sbatch.
#SBATCH --job-name=one_flow
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --array=0-9%2
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output='/data/my runs/slurm/one_flow-paper-%A_%a.out'
#SBATCH --partition=gpu
#GREEN --max-delay=12h
set -u
seed=$SLURM_ARRAY_TASK_ID
out='/data/my runs/one_flow-paper'-$seed
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-8}

# The signal before the time limit reaches this shell only (B:); it is passed on to the training, which
# finishes its step, writes its checkpoint and ends with code 75.
trap 'passed_on=yes; kill -USR1 "$training" 2>/dev/null' USR1 TERM
if [ -e "$out/metrics.json" ]; then
  /opt/python3 -m vispa_green jobs resume one_flow --out "$out" &
else
  /opt/python3 -m vispa_green jobs run one_flow --preset=paper --set=steps=200000 '--set=hidden=[64, 64]' --seed "$seed" --out "$out" &
fi
training=$!
passed_on=yes
while [ "$passed_on" = yes ]; do # a signal ends `wait`, not what it waits for
  passed_on=no
  wait "$training"
  code=$?
done

# Paused: the same job goes on when Slurm starts it again, so its account keeps all segments under one id.
if [ "$code" -eq 75 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
