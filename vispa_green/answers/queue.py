"""What is known of the machine ahead, for policies that look at the queue. Fails softly, as for the grid."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vispa_green.config import SlurmSection
from vispa_green.errors import SlurmError
from vispa_green.model import JobId, Outlook, Policy, QueueEntry
from vispa_green.slurm.commands import available
from vispa_green.slurm.machine import lay_out, machine_ahead, working_cpus


def what_lies_ahead(policy: Policy, settings: SlurmSection, now: datetime) -> tuple[Outlook | None, tuple[str, ...]]:
    """Return the outlook and warnings; without one, a policy plans by the grid alone.

    Slurm is only asked for a policy that looks at the queue.
    """
    if not policy.looks_at_queue or not settings.enabled or not available():
        return None, ()
    try:
        ahead = machine_ahead(now, timeout_s=settings.timeout_s)
    except SlurmError as error:
        return None, (f"{error}; planned without the queue",)
    return ahead.records, ahead.faults


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """Slurm's queue as it was asked for once, to plan several held jobs one after the other."""

    cpus: int
    jobs: tuple[QueueEntry, ...]

    def ahead(self, now: datetime, without: Collection[JobId]) -> Outlook:
        """Return the outlook without one job, which is not in its own way."""
        return lay_out(now, self.cpus, (job for job in self.jobs if job.job_id not in without))

    def after(self, moved: Collection[JobId], begin: datetime) -> QueueSeen:
        """Return the queue after a move, so that the next plan makes room for it."""
        jobs = (replace(job, begin=begin) if job.job_id in moved else job for job in self.jobs)
        return QueueSeen(self.cpus, tuple(jobs))


def queue_seen(jobs: Sequence[QueueEntry], settings: SlurmSection) -> tuple[QueueSeen | None, tuple[str, ...]]:
    """Return the queue with the machine that works on it, or warnings."""
    try:
        cpus = working_cpus(timeout_s=settings.timeout_s)
    except SlurmError as error:
        return None, (f"{error}; planned without the queue",)
    return QueueSeen(cpus.records, tuple(jobs)), cpus.faults
