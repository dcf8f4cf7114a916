"""A cluster whose jobs stand in a file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vispa_green.errors import SlurmError
from vispa_green.host import Host
from vispa_green.model import Answer, Cluster, JobFact, JobId, QueueEntry
from vispa_green.settings import place


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[slurm.foreign_cluster]``."""

    file: Path | None = place(None)


@dataclass(frozen=True, slots=True)
class FileCluster:
    """Tells what stands in the file."""

    file: Path | None

    def finished_or_changed(self, since: datetime, until: datetime) -> Answer[list[JobFact]]:
        """Return the facts of a span."""
        return Answer([f for f in self._known()[0] if f.submit < until and f.end >= since])

    def jobs(self, job_ids: Sequence[JobId]) -> Answer[list[JobFact]]:
        """Return the facts of some jobs."""
        return Answer([f for f in self._known()[0] if f.job_id in job_ids])

    def queue(self, at: datetime) -> Answer[list[QueueEntry]]:
        """Return what waits."""
        return Answer(self._known()[1])

    def coordinators(self) -> Mapping[str, frozenset[str]]:
        """Return who coordinates what."""
        coordinators: Mapping[str, frozenset[str]] = self._known()[2]
        return coordinators

    def _known(self) -> Any:  # noqa: ANN401
        try:
            return pickle.loads(Path(self.file or "/nowhere").read_bytes())
        except OSError as error:
            raise SlurmError(f"{self.file}: {error.strerror}") from error


def write(file: Path) -> None:
    """Write what all stand-ins tell."""
    from tests.contracts.slurm_day import COORDINATORS, ENTRY, FACT

    file.write_bytes(pickle.dumps(([FACT], [ENTRY], COORDINATORS)))


def make(host: Host | None, options: Options) -> Cluster:
    """Return the cluster."""
    return FileCluster(options.file)
