"""On the cluster itself: a job array whose tasks call this program for a part of the seeds.

The study file, its data and the output folder have to be visible on the nodes under the same paths.
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from vispa_green.errors import SlurmError
from vispa_green.slurm.commands import run as slurm
from vispa_green_sim.study.on import Progress, Task
from vispa_green_sim.study.spec import StudyError

LOOK_S = 2.0
TIMEOUT_S = 60.0
SETTLE_S = 15.0
"""Files of another node may be seen some seconds late (NFS)."""


def run(task: Task, progress: Progress) -> None:
    """Submit the array, wait for its end, and see that nothing is missing."""
    tasks = min(task.workers, len(task.open_seeds))
    if not tasks:
        return
    logs = task.out.resolve() / "slurm"
    logs.mkdir(parents=True, exist_ok=True)
    job = _submit(task, tasks, logs)
    while _is_alive(job):
        progress(task.done(), task.total)
        time.sleep(LOOK_S)
    waited = 0.0
    while task.open_seeds and waited < SETTLE_S:
        time.sleep(LOOK_S)
        waited += LOOK_S
    progress(task.done(), task.total)
    if missing := len(task.open_seeds):
        raise StudyError(
            f"Slurm job {job} ended, but {missing} seeds have no result; "
            f"see {logs}/{job}_*.out, then go on with --resume"
        )


def _submit(task: Task, tasks: int, logs: Path) -> str:
    """Return the id of the array; every task plays its slice of all seeds, so a resumed one skips what is there."""
    command = [sys.executable, "-m", "vispa_green", "simulate", "study", str(task.file.resolve())]
    command += ["--out", str(task.out.resolve()), "--resume"]
    script = f"exec {shlex.join(command)} --slice $SLURM_ARRAY_TASK_ID/{tasks}"
    options = [
        f"--array=0-{tasks - 1}",
        f"--chdir={Path.cwd()}",
        f"--output={logs}/%A_%a.out",
        "--job-name=vispa-study",
    ]
    return (
        slurm(["sbatch", "--parsable", "--ntasks=1", *options, *task.sbatch, "--wrap", script], timeout_s=TIMEOUT_S)
        .strip()
        .split(";")[0]
    )


def _is_alive(job: str) -> bool:
    try:
        return bool(slurm(["squeue", "--noheader", "--format=%T", f"--jobs={job}"], timeout_s=TIMEOUT_S).strip())
    except SlurmError as error:
        if "Invalid job id" in str(error):
            return False  # forgotten already
        raise
