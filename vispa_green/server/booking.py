"""Deliveries that come at the same time are committed together: one wait for the disk instead of one for each.

Who comes while nobody commits does so at once, for himself and all who wait; whoever comes meanwhile is in the next
group. Each is told when his own batch is committed, and where a group is refused, its batches are booked one by one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from vispa_green.errors import LedgerError
from vispa_green.model import Batch, Ledger

log = logging.getLogger(__name__)

MOST_TOGETHER = 1000
"""So many intervals are committed together at most, unless one batch alone has more: the others wait so long."""


@dataclass(slots=True)
class _Booking:
    """A batch on its way into the ledger."""

    batch: Batch
    received: datetime
    is_done: bool = False
    added: int | None = None
    error: Exception | None = None


class Bookings:
    """Batches of several threads; each has a ledger of its own, and one at a time writes for all."""

    def __init__(self, ledger: Callable[[], AbstractContextManager[Ledger]]) -> None:
        self._ledger = ledger
        self._waiting: deque[_Booking] = deque()
        self._gate, self._writing = threading.Lock(), threading.Lock()

    def book(self, batch: Batch, received: datetime) -> int:
        """Add a batch, with others if there are any; return how many of its intervals were new, once committed."""
        own = _Booking(batch, received)
        with self._gate:
            self._waiting.append(own)
        while not own.is_done:
            with self._writing:
                if not own.is_done:
                    self._write(self._group())
        if own.added is None:
            raise own.error or LedgerError("the delivery was given up before it was committed")
        return own.added

    def _group(self) -> Sequence[_Booking]:
        """Take the next to be written, in the order in which they came."""
        group, intervals = list[_Booking](), 0
        with self._gate:
            while self._waiting:
                intervals += len(self._waiting[0].batch.intervals)
                if group and intervals > MOST_TOGETHER:
                    break
                group.append(self._waiting.popleft())
        return group

    def _write(self, group: Sequence[_Booking]) -> None:
        try:
            if len(group) > 1 and self._is_written(group):
                return
            for one in group:
                self._write_alone(one)
        finally:
            for one in group:
                one.is_done = True

    def _is_written(self, group: Sequence[_Booking]) -> bool:
        """Write several together, if none of them is refused."""
        try:
            with self._ledger() as ledger:
                added = ledger.energy.append_all([one.batch for one in group], max(one.received for one in group))
        except Exception as error:  # noqa: BLE001 - whose fault it is shows when each is written alone
            log.warning("%d deliveries were not committed together, each is now alone: %s", len(group), error)
            return False
        for one, number in zip(group, added, strict=True):
            one.added = number
        return True

    def _write_alone(self, one: _Booking) -> None:
        try:
            with self._ledger() as ledger:
                one.added = ledger.energy.append(one.batch.origin, one.batch.intervals, one.received)
        except Exception as error:  # noqa: BLE001 - it is its sender's, not of the thread that writes it
            one.error = error
