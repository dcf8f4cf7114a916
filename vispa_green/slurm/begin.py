"""The one thing of other people's jobs that is ever changed: when they may begin."""

from __future__ import annotations

from vispa_green.model import JobId
from vispa_green.slurm.commands import run


def set_begin(job_id: JobId, delay_s: int, *, timeout_s: float) -> None:
    """Have a pending job begin so many seconds from now; raise `SlurmError` with Slurm's reason if it refuses.

    That holds for all pending tasks of an array and all components of a het job. A job that has started
    meanwhile is refused and stays as it is. The time is relative, because the controller may live in
    another time zone.
    """
    when = f"now+{delay_s}" if delay_s > 0 else "now"
    run(["scontrol", "update", f"JobId={job_id}", f"StartTime={when}"], timeout_s=timeout_s)
