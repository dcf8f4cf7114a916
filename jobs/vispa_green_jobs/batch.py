"""Renders a batch script that a person can read, keep and submit by hand, and sends it through gsbatch."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vispa_green.gsbatch.submit import keep, run_sbatch
from vispa_green.numbers import whole_number
from vispa_green.session import open_session
from vispa_green_jobs.definition import Definition, Resources
from vispa_green_jobs.errors import JobError
from vispa_green_jobs.green_hours import GreenHours, first_plan

WARNING_S = 120
"""How long before its time limit a job is told to pause; a checkpoint takes seconds."""

_TEMPLATE = """\
#!/bin/bash
# {name}, preset {preset}: {title} (arXiv:{arxiv})
# Written by `vispa-green jobs submit`. It is yours: read it, change it, submit it with gsbatch or sbatch.
{directives}
set -u
seed={seed}
out={folder}-$seed
job={job}
export OMP_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-{cpus}}}

# The signal before the time limit reaches this shell only (B:); it is passed on to the training, which
# finishes its step, writes its checkpoint and ends with code 75. Until Python is up the training hears
# nothing, so the signal is repeated.
asked=
trap 'asked=yes' USR1 TERM
(
  trap '' USR1 TERM
  if [ -e "$out/metrics.json" ]; then
    exec {resume} --out "$out"
  fi
  exec {run} --out "$out"
) &
training=$!
pass_on() {{
  trap '' USR1 TERM
  while kill -USR1 "$training" 2>/dev/null; do sleep 1; done
}}
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
{wait}fi
exit "$code"
"""

_WAIT = """\
  # The training paused because green hours ended, and says when it goes on; otherwise Slurm waits two minutes.
  if [ -e "$out/resume-at" ]; then
    seconds=$(($(date -d "$(<"$out/resume-at")" +%s) - $(date +%s)))
    # So soon that slurmd may still be busy with the end of this segment: leave it to Slurm.
    [ "$seconds" -lt 10 ] || scontrol update JobId="$job" StartTime=now+"$seconds"
  fi
"""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be submitted."""

    name: str
    preset: str
    seeds: str
    """As for ``sbatch --array``: one number, or e.g. ``0-9`` or ``1,4,7``."""
    overrides: tuple[str, ...]
    out: Path
    """Absolute, and visible on the nodes."""
    max_delay: str | None = None
    finish_by: str | None = None
    sbatch: tuple[str, ...] = ()
    hours: GreenHours | None = None
    """The run pauses outside green hours; it plans its own start, so gsbatch does not."""

    @property
    def is_array(self) -> bool:
        """Whether there are several seeds."""
        return whole_number(self.seeds) is None

    @property
    def stem(self) -> str:
        """The part of the folders' names before the seed."""
        return f"{self.name}-{self.preset}"


def render(submission: Submission, about: Definition, python: str) -> str:
    """Return the script. Pure."""
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*(%[0-9]+)?", submission.seeds):
        raise JobError(f"--seed {submission.seeds}: write one number, or a list as for sbatch --array: 0-9 or 1,4,7")
    resources = about.preset(submission.preset).resources
    program = [python, "-m", "vispa_green", "jobs"]
    changes = [f"--set={text}" for text in submission.overrides]
    hours = submission.hours.options if submission.hours else ()
    run = shlex.join([*program, "run", submission.name, f"--preset={submission.preset}", *changes, *hours])
    return _TEMPLATE.format(
        name=submission.name,
        preset=submission.preset,
        title=about.title,
        arxiv=about.arxiv,
        directives="\n".join(_directives(submission, resources)),
        seed="$SLURM_ARRAY_TASK_ID" if submission.is_array else submission.seeds,
        # The last task's own number is that of the array: requeued by it, all tasks would be.
        job="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" if submission.is_array else "$SLURM_JOB_ID",
        folder=shlex.quote(str(submission.out / submission.stem)),
        cpus=resources.cpus,
        run=f'{run} --seed "$seed"',
        resume=shlex.join([*program, "resume", submission.name, *hours]),
        wait=_WAIT if submission.hours else "",
    )


def send(submission: Submission, script: str) -> int:
    """Write the script beside its runs and submit it; return the exit code of gsbatch, or of sbatch."""
    logs = submission.out / "slurm"
    logs.mkdir(parents=True, exist_ok=True)
    path = submission.out / f"{submission.stem}.sh"
    path.write_text(script)
    if submission.hours:
        return _send_for_green_hours(submission.hours, path)
    command = [sys.executable, "-c", "from vispa_green.gsbatch import main; main()"]
    return subprocess.run([*command, str(path)], check=False).returncode


def _send_for_green_hours(hours: GreenHours, script: Path) -> int:
    """Submit for the first green stretch, and keep what is promised of all of them."""
    session = open_session()
    now = session.now.utc
    plan = first_plan(hours, session, now)
    _say(plan.why)
    begin_in_s = math.ceil((plan.begin - now).total_seconds()) if plan.begin else 0
    begin = [f"--begin=now+{begin_in_s}"] if begin_in_s > 0 else []

    def promise(job_id: str) -> None:
        if plan.promise is not None:
            keep(replace(plan.promise, job_id=job_id), session, _say)

    try:
        return run_sbatch((*begin, str(script)), promise)
    except OSError as error:
        raise JobError(f"{script} is written, but cannot be submitted here: {error}") from error


def _say(text: str) -> None:
    sys.stderr.write(f"green hours: {text}\n")


def _directives(submission: Submission, resources: Resources) -> list[str]:
    options = [
        f"--job-name={submission.name}",
        f"--cpus-per-task={resources.cpus}",
        *([f"--gpus={resources.gpus}"] if resources.gpus else []),
        f"--mem={resources.memory_gib}G",
        f"--time={resources.time}",
        *([f"--array={submission.seeds}"] if submission.is_array else []),
        f"--signal=B:USR1@{WARNING_S}",
        "--requeue",
        "--open-mode=append",
        "--output="
        + shlex.quote(f"{submission.out}/slurm/{submission.stem}-{'%A_%a' if submission.is_array else '%j'}.out"),
        *submission.sbatch,
    ]
    return [f"#SBATCH {option}" for option in options] + [f"#GREEN {wish}" for wish in _wishes(submission)]


def _wishes(submission: Submission) -> Sequence[str]:
    if submission.hours:
        return []
    delay = [f"--max-delay={shlex.quote(submission.max_delay)}"] if submission.max_delay else []
    return [*delay, *([f"--finish-by={shlex.quote(submission.finish_by)}"] if submission.finish_by else [])]
