"""Where jobs were, one row for each time without a hole; written in the transaction of the rows it sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from vispa_green.ledgers._sql.codec import us
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.dialect import listed
from vispa_green.model import Component, EnergyEntry, NodeInterval, Quality

HOLE_US = 60_000_000
"""A job that is charged nothing for longer than this was away, as while it was requeued."""


@dataclass(slots=True)
class _Stay:
    """A row of ``job_stay``."""

    start_us: int
    end_us: int
    present_us: int
    metered_us: int
    unwatched_us: int
    cpu_ns: int
    reserved_us: int | None
    spool_id: int
    sequence: int
    """The interval that came last; the next of its spool continues the stay, whatever the clock was set to."""


_values = attrgetter(*_Stay.__slots__)


class Stays:
    """Finds the stays that intervals continue; nothing is written before `write`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._known: dict[tuple[int, int], list[_Stay]] = {}
        self._changed: dict[tuple[int, int, int], _Stay] = {}

    def add(self, interval: NodeInterval, place: tuple[int, int, int], jobs: dict[str, int]) -> None:
        """Add the presence of an interval's jobs; ``place`` is its node, its spool and its number there."""
        node_id, spool_id, sequence = place
        begin, end = us(interval.start), us(interval.end)
        unread = [entry for entry in interval.entries if not _is_read(entry)]
        is_any_read = len(unread) < len(interval.entries)
        for seen in interval.jobs:
            watched_us = seen.present_us if interval.quality is Quality.MEASURED else 0
            stay = self._continued(jobs[seen.job_id], place, begin)
            stay.end_us = max(stay.end_us, end)
            stay.present_us += watched_us
            stay.metered_us += watched_us if is_any_read and _pays_for_none_of(unread, seen.binding.gpus) else 0
            stay.unwatched_us += seen.present_us - watched_us
            stay.cpu_ns += seen.cpu_ns
            if seen.binding.allocated_cpus is not None:
                stay.reserved_us = (stay.reserved_us or 0) + seen.binding.allocated_cpus * watched_us
            stay.spool_id, stay.sequence = spool_id, sequence
            self._changed[jobs[seen.job_id], node_id, stay.start_us] = stay

    def learn(self, jobs: Iterable[int], node_id: int) -> None:
        """Read the stays of some jobs on a node at once; those of others are all new."""
        unknown = sorted(job for job in jobs if (job, node_id) not in self._known)
        if not unknown:
            return
        self._known |= {(job, node_id): [] for job in unknown}
        rows = self._db.execute(
            f"SELECT job, {', '.join(_Stay.__slots__)} FROM job_stay"
            f" WHERE job {self._db.dialect.numbers} AND node_id = ?",
            (listed(unknown), node_id),
        )
        for job, *values in rows:
            self._known[job, node_id].append(_Stay(*values))

    def write(self) -> None:
        """Write the stays that are new or grew."""
        rows = [(*key[:2], *_values(stay)) for key, stay in sorted(self._changed.items(), key=itemgetter(0))]
        self._db.merge("job_stay", ("job", "node_id", "start_us"), _Stay.__slots__[1:], rows, adding=False)
        self._changed.clear()

    def _continued(self, job: int, place: tuple[int, int, int], begin: int) -> _Stay:
        """Return the stay that a time continues, or a new one that starts there."""
        node_id, spool_id, sequence = place
        stays = self._known.setdefault((job, node_id), [])
        fitting = [
            stay
            for stay in stays
            if (stay.spool_id, stay.sequence) == (spool_id, sequence - 1)
            or (stay.start_us <= begin and stay.end_us >= begin - HOLE_US)
        ]
        if fitting:
            return max(fitting, key=lambda stay: stay.start_us)
        stay = next((stay for stay in stays if stay.start_us == begin), None)
        if stay is None:
            stay = _Stay(begin, begin, 0, 0, 0, 0, None, spool_id, sequence)
            stays.append(stay)
        return stay


def _pays_for_none_of(entries: Sequence[EnergyEntry], gpus: tuple[int, ...] | None) -> bool:
    """Say whether a job with these GPUs pays for none of some entries."""
    cards = {f"gpu-{number}" for number in gpus or ()}
    return not any(
        entry.device in cards if entry.component is Component.GPU else entry.component is not Component.NODE
        for entry in entries
    )


def _is_read(entry: EnergyEntry) -> bool:
    return entry.measured_uj is not None and entry.quality is not Quality.GAP
