"""Who a job is, and which jobs a question is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vispa_green.model.node import JobId


@dataclass(frozen=True, slots=True)
class JobKey:
    """What names one job for ever. Slurm's numbers come again, on one cluster after years and on two at once.

    ``submitted`` is Slurm's SubmitTime in UTC, the first one of a job that was requeued; ``None`` where it
    could not be learnt.
    """

    cluster: str
    job_id: JobId
    submitted: datetime | None


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whose jobs somebody may see: those of one user (by name or number), and of whole accounts."""

    user: str
    uid: int | None = None
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs a question is about: empty means all. Times select jobs that overlap ``[start, end)``.

    ``job_ids`` may be raw or as shown to users: ``12_3``, or ``12`` for all of an array or het job. Where
    Slurm has not told a job's user yet, ``uids`` select it by what the agent saw.
    """

    clusters: tuple[str, ...] = ()
    job_ids: tuple[str, ...] = ()
    keys: tuple[JobKey, ...] = ()
    users: tuple[str, ...] = ()
    uids: tuple[int, ...] = ()
    accounts: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    visible: Visibility | None = None
    """``None``: everything; see `vispa_green.access`."""
    as_of: datetime | None = None
    """Weight energy with the grid as the ledger knew it then; ``None``: as it is known now."""
