"""What can still be read of a damaged spool goes into a new one; the times that cannot are marked as gaps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import count, pairwise
from pathlib import Path

from vispa_green.agent import spool_file, wire
from vispa_green.errors import SpoolDamaged

Row = tuple[int, int, int, str]
"""Sequence, start and end in µs, the interval's text."""

AT_ONCE = 200
MOST_SINGLY = 20_000
"""Behind a broken page rows are looked for one by one; so many, an hour at the fastest pace, and no more."""

AHEAD = 1_000_000
"""Where it is not known which numbers were used, the next are surely above: the ledger knows the old ones."""


def salvage(path: Path, node: str, delivered_us: int | None, reason: str) -> tuple[sqlite3.Connection, Path]:
    """Move the damaged spool aside; return a new one in its place with what could be read, and where the old is.

    ``delivered_us`` is until when the ledger knows all.
    """
    damaged = _moved(path, node)
    fresh = spool_file.opened(path)
    with suppress(sqlite3.Error), closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        _copy(old, fresh, node, delivered_us)
    spool_file.set_aside(fresh, None, "file", damaged.name, reason)
    return fresh, damaged


def _copy(old: sqlite3.Connection, fresh: sqlite3.Connection, node: str, delivered_us: int | None) -> None:
    for key in ("spool_id", "baseline"):
        with suppress(sqlite3.Error):
            if (value := spool_file.recall(old, key)) is not None:
                spool_file.remember(fresh, key, value)
    used = _last_used(old)
    rows = list(_rows(old, used))
    query = "INSERT INTO outbox (sequence, start_us, end_us, interval) VALUES (?,?,?,?)"
    fresh.executemany(query, rows)
    ahead = max([used or AHEAD, *(row[0] + (0 if used else AHEAD) for row in rows)])
    holes = zip(count(ahead + 1), _holes(rows, delivered_us, _baseline_us(fresh)), strict=False)
    fresh.executemany(
        query,
        [
            (number, start, end, wire.interval_text(wire.lost_time(node, start, end)))
            for number, (start, end) in holes
        ],
    )
    if not fresh.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'outbox'", (ahead,)).rowcount:
        fresh.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (ahead,))


def _last_used(old: sqlite3.Connection) -> int | None:
    with suppress(sqlite3.Error):
        row = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return None if row is None else int(row[0])
    return None


def _rows(old: sqlite3.Connection, last: int | None) -> Iterator[Row]:
    query = "SELECT sequence, start_us, end_us, interval FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
    done = 0
    try:
        while batch := [row for row in old.execute(query, (done, AT_ONCE)) if _is_row(row)]:
            yield from batch
            done = batch[-1][0]
    except sqlite3.Error:
        for sequence in range(done + 1, min(done + MOST_SINGLY, last or done + MOST_SINGLY) + 1):
            with suppress(sqlite3.Error):
                row = old.execute(query, (sequence - 1, 1)).fetchone()
                if row is not None and row[0] == sequence and _is_row(row):
                    yield row


def _is_row(row: tuple[object, ...]) -> bool:
    return [type(field) for field in row] == [int, int, int, str]


def _baseline_us(fresh: sqlite3.Connection) -> int | None:
    """Return until when the agent had accounted, by the baseline that was saved."""
    with suppress(SpoolDamaged):
        return wire.us(wire.read_baseline(spool_file.recall(fresh, "baseline") or "").at.utc)
    return None


def _holes(rows: Sequence[Row], begin_us: int | None, end_us: int | None) -> Iterator[tuple[int, int]]:
    """Yield the times between intervals of which one is missing, from the last delivery to the baseline."""
    known = [(sequence, start, end) for sequence, start, end, _ in rows]
    if begin_us is not None:
        known.insert(0, (-1, begin_us, begin_us))
    if end_us is not None and known:
        known.append((known[-1][0] + 2, end_us, end_us))
    for before, after in pairwise(known):
        if after[0] > before[0] + 1 and after[1] > before[2]:
            yield before[2], after[1]


def _moved(path: Path, node: str) -> Path:
    damaged = next(
        name for number in count(1) if not (name := path.with_name(f"{node}.damaged-{number}.sqlite")).exists()
    )
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(damaged.with_name(damaged.name + suffix))
    return damaged
