"""What jobs were charged within a span, exactly: whole quarter-hours from the roll-up, the rest cut to size.

The part of a posting before a moment is rounded down to whole µJ, so what lies between two moments is a
difference, and adjacent spans add up to their union.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from vispa_green.ledgers._sql.codec import COMPONENTS, QUALITIES, QUARTER_US, us, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.selecting import charged
from vispa_green.model import Component, JobKey, JobPosting, Quality, Selection

Sum = tuple[int, Component, Quality]


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in µs, ``None`` where it has no end on that side."""

    start_us: int | None
    end_us: int | None

    @classmethod
    def whole(cls) -> Window:
        """Return all of time."""
        return cls(None, None)

    @classmethod
    def of(cls, selection: Selection) -> Window:
        """Return the span of a selection."""
        start, end = selection.start, selection.end
        return cls(None if start is None else us(start), None if end is None else us(end))

    @classmethod
    def of_quarters(cls, first: int, after: int) -> Window:
        """Return the span of some quarter-hours."""
        return cls(first * QUARTER_US, after * QUARTER_US)

    def narrowed(self, selection: Selection) -> Selection:
        """Return a selection with this span."""
        start, end = (None if moment_us is None else utc(moment_us) for moment_us in (self.start_us, self.end_us))
        return replace(selection, start=start, end=end)

    @property
    def is_whole(self) -> bool:
        """Whether it leaves nothing out."""
        return self.start_us is None and self.end_us is None

    def touches(self, first_us: int, last_us: int) -> bool:
        """Say whether any of it lies in a span."""
        return (self.start_us is None or last_us > self.start_us) and (self.end_us is None or first_us < self.end_us)

    @property
    def quarters(self) -> tuple[int, int]:
        """The quarter-hours that lie in it wholly: the first, and the one after the last."""
        first = -(1 << 40) if self.start_us is None else -(-self.start_us // QUARTER_US)
        after = 1 << 40 if self.end_us is None else self.end_us // QUARTER_US
        return first, after

    @property
    def edges(self) -> list[Window]:
        """What of it lies in no whole quarter-hour."""
        first, after = self.quarters
        if first > after:
            return [self]
        before = Window(self.start_us, first * QUARTER_US) if self.start_us is not None else None
        behind = Window(after * QUARTER_US, self.end_us) if self.end_us is not None else None
        return [edge for edge in (before, behind) if edge and edge.start_us != edge.end_us]


def sums_in(connection: Connection, selection: Selection, window: Window) -> dict[Sum, tuple[int, int]]:
    """Return busy and idle energy by job, component and quality within a window."""
    where, values = charged(connection.dialect, selection)
    found: defaultdict[Sum, list[int]] = defaultdict(lambda: [0, 0])
    rows = connection.read(
        "SELECT q.job, q.component, q.quality, sum(q.busy_uj), sum(q.idle_uj)"
        f" FROM job j JOIN job_quarter q ON q.job = j.id WHERE {where} AND q.quarter >= ? AND q.quarter < ?"
        " GROUP BY q.job, q.component, q.quality",
        [*values, *window.quarters],
    )
    for job, component, quality, busy, idle in rows:
        found[job, COMPONENTS[component], QUALITIES[quality]] = [busy, idle]
    for job, posting in edge_postings(connection, selection, window):
        sums = found[job, posting.component, posting.quality]
        sums[0] += posting.busy_uj
        sums[1] += posting.idle_uj
    return {key: (busy, idle) for key, (busy, idle) in found.items()}


def edge_postings(connection: Connection, selection: Selection, window: Window) -> Iterator[tuple[int, JobPosting]]:
    """Yield what was charged in a window but in no whole quarter-hour of it."""
    for edge in window.edges:
        assert edge.start_us is not None
        assert edge.end_us is not None
        for job, posting in postings_of(connection, selection, edge):
            for piece in in_quarters(posting):
                if part := clipped(piece, edge.start_us, edge.end_us):
                    yield job, part


def in_quarters(posting: JobPosting) -> list[JobPosting]:
    """Cut a posting at quarter-hours as `vispa_green.energy.quarters.cut` cuts the interval it belongs to."""
    start, end = us(posting.start), us(posting.end)
    parts = quarters_of(start, end, posting.busy_uj, posting.idle_uj)
    if len(parts) == 1:
        return [posting]
    return [
        replace(
            posting,
            start=utc(max(start, quarter * QUARTER_US)),
            end=utc(min(end, (quarter + 1) * QUARTER_US)),
            busy_uj=busy_uj,
            idle_uj=idle_uj,
        )
        for quarter, busy_uj, idle_uj in parts
    ]


def quarters_of(start_us: int, end_us: int, busy_uj: int, idle_uj: int) -> list[tuple[int, int, int]]:
    """Return the quarter-hours of a span, each with its part of two energies."""
    first = start_us // QUARTER_US
    if end_us <= (first + 1) * QUARTER_US:
        return [(first, busy_uj, idle_uj)]
    from vispa_green.energy.accounting import split_exact  # few intervals need it

    marks = [start_us, *range((first + 1) * QUARTER_US, end_us, QUARTER_US), end_us]
    weights = [after - before for before, after in pairwise(marks)]
    busy, idle = split_exact(busy_uj, weights), split_exact(idle_uj, weights)
    return [(first + i, busy[i], idle[i]) for i in range(len(weights))]


def clipped(posting: JobPosting, start_us: int, end_us: int) -> JobPosting | None:
    """Return the part of a posting in ``[start_us, end_us)``; one without length lies where it starts."""
    begin, until = us(posting.start), us(posting.end)
    if begin == until:
        return posting if start_us <= begin < end_us else None
    first, last = max(begin, start_us), min(until, end_us)
    if first >= last:
        return None
    length = until - begin

    def between(energy_uj: int) -> int:
        return energy_uj * (last - begin) // length - energy_uj * (first - begin) // length

    return replace(
        posting, start=utc(first), end=utc(last), busy_uj=between(posting.busy_uj), idle_uj=between(posting.idle_uj)
    )


def postings_of(connection: Connection, selection: Selection, window: Window) -> Iterator[tuple[int, JobPosting]]:
    """Yield the rows of the selected jobs and what they were charged in intervals that touch a window.

    Where the raw rows were pruned, an interval is a quarter-hour.
    """
    words = connection.dialect
    where, values = charged(words, selection)
    low = -(1 << 62) if window.start_us is None else window.start_us
    high = 1 << 62 if window.end_us is None else window.end_us
    pruned_us = int(connection.meta("pruned_us") or 0)
    head = "SELECT j.id, c.name, j.job_id, j.submitted_us, n.name,"
    if low < pruned_us:
        rows = connection.read(
            f"{head} q.component, q.quality, q.quarter, q.busy_uj, q.idle_uj"
            " FROM job j JOIN cluster c ON c.id = j.cluster_id JOIN job_quarter q ON q.job = j.id"
            f" JOIN node n ON n.id = q.node_id WHERE {where} AND q.quarter >= ? AND q.quarter < ? ORDER BY q.quarter",
            [*values, low // QUARTER_US, min(-(-high // QUARTER_US), pruned_us // QUARTER_US)],
        )
        for job, cluster, number, submitted, node, component, quality, quarter, busy, idle in rows:
            key = JobKey(cluster, number, None if submitted is None else utc(submitted))
            start, end = utc(quarter * QUARTER_US), utc((quarter + 1) * QUARTER_US)
            yield job, JobPosting(key, node, COMPONENTS[component], QUALITIES[quality], start, end, busy, idle)
    rows = connection.read(
        f"{head} e.component, e.quality, i.start_us, i.end_us, s.busy_uj, s.idle_uj"
        " FROM job j JOIN cluster c ON c.id = j.cluster_id JOIN job a ON a.id = j.id OR a.same_as = j.id"
        f" JOIN job_share s ON s.job = a.id JOIN node_interval i ON {words.of_interval('s', max(low, pruned_us))}"
        " JOIN node n ON n.id = i.node_id"
        f" JOIN energy_entry e ON {words.of_interval('e', max(low, pruned_us))} AND e.device = s.device"
        f" WHERE {where} AND e.contained = 0 AND i.end_us > ? AND i.start_us < ? ORDER BY i.start_us",
        [*values, max(low, pruned_us), high],
    )
    for job, cluster, number, submitted, node, component, quality, start_us, end_us, busy, idle in rows:
        key = JobKey(cluster, number, None if submitted is None else utc(submitted))
        posting = JobPosting(
            key, node, Component(component), Quality(quality), utc(start_us), utc(end_us), busy, idle
        )
        if start_us >= pruned_us:
            yield job, posting
        else:  # an old interval across the edge of what was pruned: the roll-up told of its first part
            yield from ((job, piece) for piece in in_quarters(posting) if us(piece.start) >= pruned_us)
