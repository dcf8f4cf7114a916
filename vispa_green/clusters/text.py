"""Slurm as its own commands tell of it: ``sacct``, ``squeue`` and ``sacctmgr``, whose form no version has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from vispa_green.host import Host
from vispa_green.model import Answer, Cluster, JobFact, JobId, QueueEntry
from vispa_green.settings import number
from vispa_green.slurm import privacy, squeue
from vispa_green.slurm.jobs import JobQuery, recorded

WAITING_OR_RUNNING = ("PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING")


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[slurm.text]``: how long one command may take; those of an importer bring hours of jobs at once."""

    timeout_s: float = number(60.0, above=0)


@dataclass(frozen=True, slots=True)
class TextCluster:
    """A `Cluster` that is asked through Slurm's commands."""

    timeout_s: float

    def finished_or_changed(self, since: datetime, until: datetime) -> Answer[list[JobFact]]:
        """Return what ``sacct`` has of a span."""
        return recorded(JobQuery(start=since, end=until), timeout_s=self.timeout_s)

    def jobs(self, job_ids: Sequence[JobId]) -> Answer[list[JobFact]]:
        """Return what ``sacct`` has of some jobs."""
        if not job_ids:
            return Answer([])
        return recorded(JobQuery(job_ids=tuple(job_ids)), timeout_s=self.timeout_s)

    def queue(self, at: datetime) -> Answer[list[QueueEntry]]:
        """Return what ``squeue`` shows."""
        return squeue.entries(WAITING_OR_RUNNING, timeout_s=self.timeout_s)

    def coordinators(self) -> Mapping[str, frozenset[str]]:
        """Return what ``sacctmgr`` says."""
        return privacy.coordinators(timeout_s=self.timeout_s)


def make(host: Host | None, options: Options) -> Cluster:
    """Return the cluster that this machine's Slurm commands reach."""
    return TextCluster(options.timeout_s)
