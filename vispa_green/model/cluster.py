"""What a batch system tells of itself: its jobs, its queue, and who answers for which account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from vispa_green.model.accounts import JobFact, QueueEntry
from vispa_green.model.node import JobId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What could be read, and in plain sentences what could not."""

    records: T
    faults: tuple[str, ...] = ()


class Cluster(Protocol):
    """A batch system, however it is asked. Every question raises `SlurmError` where it is not answered."""

    def finished_or_changed(self, since: datetime, until: datetime) -> Answer[list[JobFact]]:
        """Return what is recorded of jobs that waited, ran or ended at some time in ``[since, until)``.

        Of a job that was requeued the newest run is told.
        """

    def jobs(self, job_ids: Sequence[JobId]) -> Answer[list[JobFact]]:
        """Return what is recorded of these jobs, whenever they were; one that is not known is left out."""

    def queue(self, at: datetime) -> Answer[list[QueueEntry]]:
        """Return the jobs that wait and run at ``at``, which is now, those first that would be started first.

        Waiting tasks of an array are one entry.
        """

    def coordinators(self) -> Mapping[str, frozenset[str]]:
        """Return the users that coordinate an account, by account; only of accounts that have any."""
