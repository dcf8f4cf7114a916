"""The agent's durable memory on its node: intervals not yet delivered, and where the counters stood.

An interval and the baseline that follows it become durable in one transaction, so that a killed agent
repeats nothing and skips nothing: either both are there or neither. What cannot be read any more, or what
the ledger refuses, is set aside in a table of its own and its time is delivered as a gap.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from vispa_green.agent import spool_file, wire
from vispa_green.agent.salvage import salvage
from vispa_green.energy.accounting import Baseline
from vispa_green.errors import SpoolDamaged, SpoolError
from vispa_green.model import QUARTER, Instant, NodeInterval, Quality, SpooledInterval
from vispa_green.numbers import whole_number

log = logging.getLogger(__name__)

QUARTER_US = QUARTER // timedelta(microseconds=1)
WAITED = "the ledger was away for longer than the spool keeps"
LOST = "the spool was lost, and with it what it held"


class Spool:
    """One node's spool; one agent at a time may hold it, and the threads of that agent take turns."""

    def __init__(self, directory: Path, node: str) -> None:
        self._directory, self.node = directory, node
        self._path, self._mark = directory / f"{node}.sqlite", directory / f"{node}.mark"
        self._turn = threading.RLock()
        spool_file.make_directory(directory)
        self._lock = spool_file.open_private(directory / f"{node}.lock")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SpoolError(
                f"another agent holds {self._path}: stop it first, or give this one a spool_dir"
            ) from error
        try:
            self._db = self._open()
            with self._trouble():
                self.spool_id = spool_file.identity(self._db)
        except BaseException:
            os.close(self._lock)
            raise

    def keep(self, intervals: Sequence[NodeInterval], baseline: Baseline) -> list[int]:
        """Make intervals durable together with the baseline that they end at; return their numbers.

        Raises `SpoolError` if that cannot be; then the old baseline stands.
        """
        with self._turn:
            try:
                return self._keep(intervals, baseline)
            except SpoolDamaged as error:
                self._renew(str(error))
                return self._keep(intervals, baseline)

    def baseline(self) -> tuple[Baseline | None, str]:
        """Return where the last interval ended, and what was lost since, if anything was.

        ``None`` on a new node. Where only the time is known, no counter and no boot is in the baseline.
        """
        with self._turn:
            text = spool_file.recall(self._db, "baseline")
        try:
            if text is not None:
                return wire.read_baseline(text), ""
        except SpoolDamaged as error:
            self._set_aside(None, "baseline", text or "", str(error))
        until = self._known_until()
        return until, LOST if until else ""

    def waiting(self, most: int, after: int = 0) -> list[SpooledInterval]:
        """Return the oldest intervals not yet delivered; one that cannot be read is a gap of its time.

        Raises `SpoolError` if nothing can be read at all.
        """
        query = "SELECT sequence, start_us, end_us, interval FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
        with self._turn:
            try:
                with self._trouble():
                    rows = self._db.execute(query, (after, most)).fetchall()
            except SpoolDamaged as error:
                self._renew(str(error))
                with self._trouble():
                    rows = self._db.execute(query, (after, most)).fetchall()
            return [SpooledInterval(sequence, self._read(sequence, *row)) for sequence, *row in rows]

    def set_aside(self, refused: SpooledInterval, reason: str) -> None:
        """Take out an interval that the ledger refuses; a gap of its time is delivered instead, once."""
        with self._turn:
            interval = refused.interval
            self._set_aside(refused.sequence, "interval", wire.interval_text(interval), reason)
            with self._trouble():
                if not interval.entries and interval.quality is Quality.GAP:  # the gap itself is refused
                    self._db.execute("DELETE FROM outbox WHERE sequence = ?", (refused.sequence,))
                    return
                gap = replace(interval, quality=Quality.GAP, entries=(), jobs=(), reason="the ledger refused it")
                self._db.execute(
                    "UPDATE outbox SET interval = ? WHERE sequence = ?", (wire.interval_text(gap), refused.sequence)
                )

    def backlog(self) -> int:
        """Return how many intervals wait."""
        return self._count("outbox")

    def quarantined(self) -> int:
        """Return how many records were set aside."""
        return self._count("quarantine")

    def delivered(self, up_to: int) -> None:
        """Forget what the ledger has committed, and remember beside the spool until when it knows all."""
        with self._turn, self._trouble():
            (end_us,) = self._db.execute("SELECT max(end_us) FROM outbox WHERE sequence <= ?", (up_to,)).fetchone()
            self._db.execute("DELETE FROM outbox WHERE sequence <= ?", (up_to,))
            if end_us is not None:
                spool_file.write_private(self._mark, f"{end_us}\n")

    def shorten(self, before: datetime) -> int:
        """Let what ended before, and was never delivered, become gaps of a quarter-hour; return how many were lost.

        So a ledger that is away for long costs what was measured, but no disk, and no time goes missing.
        """
        query = "SELECT sequence, start_us, end_us, interval FROM outbox WHERE end_us <= ? ORDER BY sequence"
        with self._turn, self._trouble(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            rows = self._db.execute(query, (wire.us(before),)).fetchall()
            lost = sum(self._merge(list(group)) for _, group in groupby(rows, key=lambda row: row[1] // QUARTER_US))
            spool_file.remember(self._db, "dropped", str(self._dropped() + lost))
        if lost:
            log.warning("%s: %d intervals waited too long for the ledger and are gaps now", self._path, lost)
        return lost

    def dropped(self) -> int:
        """Return how many intervals were given up because the ledger was away for too long."""
        with self._turn, self._trouble():
            return self._dropped()

    def _dropped(self) -> int:
        return whole_number(spool_file.recall(self._db, "dropped") or "0") or 0

    def _merge(self, rows: list[tuple[int, int, int, str]]) -> int:
        """Put one gap in the place of intervals that follow each other; return how many had said more."""
        sequence, start_us, end_us = rows[-1][0], rows[0][1], rows[-1][2]
        text = wire.interval_text(wire.lost_time(self.node, start_us, end_us, WAITED))
        if len(rows) == 1 and rows[0][3] == text:
            return 0
        self._db.execute("DELETE FROM outbox WHERE sequence >= ? AND sequence < ?", (rows[0][0], sequence))
        values = (start_us, text, sequence)
        self._db.execute("UPDATE outbox SET start_us = ?, interval = ? WHERE sequence = ?", values)
        return sum(WAITED not in row[3] for row in rows)

    def remove_if_empty(self) -> None:
        """Remove the spool's files if all is delivered: for a spool that will never be used again."""
        if self.backlog() == 0:
            for path in self._directory.glob(f"{self.node}.*"):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the spool to another agent."""
        with self._turn:
            self._db.close()
            os.close(self._lock)

    def _keep(self, intervals: Sequence[NodeInterval], baseline: Baseline) -> list[int]:
        rows = [(wire.us(i.start), wire.us(i.end), wire.interval_text(i)) for i in intervals]
        with self._trouble(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            query = "INSERT INTO outbox (start_us, end_us, interval) VALUES (?,?,?)"
            numbers = [int(self._db.execute(query, row).lastrowid or 0) for row in rows]
            spool_file.remember(self._db, "baseline", wire.baseline_text(baseline))
            return numbers

    def _read(self, sequence: int, start_us: int, end_us: int, text: str) -> NodeInterval:
        try:
            return wire.read_interval(text)
        except SpoolDamaged as error:
            self._set_aside(sequence, "interval", text, str(error))
        gap = wire.lost_time(self.node, start_us, end_us)
        with self._trouble():
            self._db.execute("UPDATE outbox SET interval = ? WHERE sequence = ?", (wire.interval_text(gap), sequence))
        return gap

    def _set_aside(self, sequence: int | None, kind: str, text: str, reason: str) -> None:
        log.warning("%s: %s %s is set aside: %s", self._path, kind, sequence or "", reason)
        with self._turn, self._trouble():
            spool_file.set_aside(self._db, sequence, kind, text, reason)

    def _known_until(self) -> Baseline | None:
        """Return the end of the last interval that is known, by what waits or by the file beside the spool."""
        with self._trouble():
            (end_us,) = self._db.execute("SELECT max(end_us) FROM outbox").fetchone()
        if end_us is None:
            end_us = spool_file.read_mark(self._mark)
        return None if end_us is None else Baseline(Instant(wire.moment(end_us), 0), "", None, {}, {})

    def _count(self, table: str) -> int:
        with self._turn, self._trouble():
            (count,) = self._db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
        return int(count)

    def _open(self) -> sqlite3.Connection:
        try:
            return spool_file.opened(self._path)
        except SpoolDamaged as error:
            return self._salvaged(str(error))

    def _renew(self, reason: str) -> None:
        self._db.close()
        self._db = self._salvaged(reason)
        self.spool_id = spool_file.identity(self._db)

    def _salvaged(self, reason: str) -> sqlite3.Connection:
        fresh, damaged = salvage(self._path, self.node, spool_file.read_mark(self._mark), reason)
        log.warning("%s: %s; what could be read goes on, the damaged file is %s", self._path, reason, damaged)
        return fresh

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        with spool_file.trouble(self._path):
            yield
