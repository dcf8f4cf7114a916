"""What work was for: the projects that a job is tagged with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vispa_green.model.jobs import Selection


@dataclass(frozen=True, slots=True)
class ProjectTag:
    """That somebody said for which project a job, or a whole array or het job, has run.

    The last tag of a job counts, before all that Slurm tells; the earlier ones stay for the record.
    """

    cluster: str
    job_id: str
    """The job's own number, or as shown: ``12_3`` for one part, ``12`` for all of an array or het job."""
    submitted: datetime | None
    project: str
    """In the writing of `vispa_green.energy.projects`; empty takes the job's tags away."""
    tagged_by: str
    tagged_at: datetime


class ProjectBook(Protocol):
    """Which job was for which project, and who said so when."""

    def append(self, tags: Sequence[ProjectTag]) -> None:
        """Add tags, all or none; the sums by project follow. Known ones are not added again."""

    def tags(self, selection: Selection) -> list[ProjectTag]:
        """Return all tags of the selected jobs, the oldest first."""
