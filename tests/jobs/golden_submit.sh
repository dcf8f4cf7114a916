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
job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-8}

# The signal before the time limit reaches this shell only (B:); it is passed on to the training, which
# finishes its step, writes its checkpoint and ends with code 75. Until Python is up the training hears
# nothing, so the signal is repeated.
asked=
trap 'asked=yes' USR1 TERM
(
  trap '' USR1 TERM
  if [ -e "$out/metrics.json" ]; then
    exec /opt/python3 -m vispa_green jobs resume one_flow --out "$out"
  fi
  exec /opt/python3 -m vispa_green jobs run one_flow --preset=paper --set=steps=200000 '--set=hidden=[64, 64]' --seed "$seed" --out "$out"
) &
training=$!
pass_on() {
  trap '' USR1 TERM
  while kill -USR1 "$training" 2>/dev/null; do sleep 1; done
}
trap pass_on USR1 TERM
[ -z "$asked" ] || pass_on
wait "$training" # a signal ends this, not the training,
wait "$training" # so it is asked again; the shell remembers the code
code=$?

# Paused: the same job goes on when Slurm starts it again, so its account keeps all segments under one id.
# A job that was cancelled is completing already, and not for its time limit: it stays cancelled.
if [ "$code" -eq 75 ] && [ "$(squeue -h -t all -j "$job" -o '%T %r')" != 'COMPLETING None' ]; then
  trap '' USR1 TERM # Slurm now ends what is left of this segment
  for wait_s in 0 15 60; do # the controller may be busy or restarting
    sleep "$wait_s"
    scontrol requeue "$job" && break
  done
fi
exit "$code"
