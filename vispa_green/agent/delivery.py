"""From the spool to the ledger, in a thread of its own: a ledger that is locked or away delays no look.

An interval that the ledger refuses is set aside, and those behind it go on; where the ledger itself does not
work, everything waits and it is asked again some seconds later. A server is asked at moments that chance draws,
each time from a longer span, so that a thousand nodes do not come back to it at once; what waits for longer than
the spool keeps becomes gaps.
"""

from __future__ import annotations

import logging
import random
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Self

from vispa_green.agent.spool import Spool
from vispa_green.errors import IntervalRefused, LedgerBusy, VispaGreenError
from vispa_green.model import Instant, Ledger, Origin, SpooledInterval

log = logging.getLogger(__name__)

BATCH = 500
AT_HAND = 32
"""So many of the newest intervals are kept in memory, which saves reading them back."""

RETRY_S, LONGEST_RETRY_S = 5.0, 300.0
SHORTENED_EACH_NS = 3600 * 1_000_000_000
LAST_WORD_S = 5.0
"""So long an agent that ends waits for its ledger; what is not delivered by then waits in the spool."""


class Delivery:
    """Hands what waits to the ledger, in the thread of its caller; `fresh` may be called from another."""

    def __init__(
        self,
        spool: Spool,
        open_ledger: Callable[[], Ledger],
        cluster: str,
        *,
        keeps: timedelta = timedelta(days=7),
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._keeps, self._draw, self._failures, self._shorten_at_ns = keeps, draw, 0, 0
        self._spool, self._open_ledger, self._cluster = spool, open_ledger, cluster
        self._ledger: Ledger | None = None
        self._opened_by = 0
        self._at_hand: deque[SpooledInterval] = deque()
        self._complete = False  # whether all that waits is at hand
        self._turn = threading.Lock()
        self._not_before_ns = 0
        self._refused: set[int] = set()
        self._trouble = ""

    def fresh(self, kept: Iterable[SpooledInterval]) -> None:
        """Take note of intervals that have just been made durable."""
        with self._turn:
            self._at_hand.extend(kept)
            if len(self._at_hand) > AT_HAND:
                self._at_hand.clear()
                self._complete = False

    def deliver(self, at: Instant, *, now_or_never: bool = False) -> int:
        """Hand over what waits; return how many intervals the ledger has committed."""
        if at.monotonic_ns < self._not_before_ns and not now_or_never:
            return 0
        committed = 0
        try:
            while batch := self._next():
                committed += self._hand_over(batch, at)
        except VispaGreenError as error:
            self._not_before_ns = at.monotonic_ns + int(self._patience_s(error) * 1e9)
            if str(error) != self._trouble:
                log.warning("%s; intervals wait in the spool until it works again", error)
            self._trouble = str(error)
            self.close()
            self._shorten(at)
        else:
            self._trouble, self._failures = "", 0
        return committed

    def first_s(self, every_s: float) -> float:
        """Return when this node begins to deliver: the nodes of a cluster are spread over the span by their names."""
        return every_s * zlib.crc32(self._spool.node.encode()) / 2**32

    def _patience_s(self, error: VispaGreenError) -> float:
        """Return how long a ledger is left alone: one of our own some seconds, a server as it wishes and more."""
        if not isinstance(error, LedgerBusy):
            return RETRY_S
        self._failures = min(self._failures + 1, 10)
        longest_s: float = min(LONGEST_RETRY_S, RETRY_S * 2**self._failures)
        return (error.retry_after_s or 0.0) + self._draw() * longest_s

    def _shorten(self, at: Instant) -> None:
        """Let what waits for longer than it is kept become gaps, once an hour."""
        if at.monotonic_ns < self._shorten_at_ns:
            return
        self._shorten_at_ns = at.monotonic_ns + SHORTENED_EACH_NS
        if self._spool.shorten(at.utc - self._keeps):
            with self._turn:
                self._at_hand.clear()
                self._complete = False

    def close(self) -> None:
        """Release the ledger, if it was opened in this thread: a connection belongs to one."""
        if self._ledger is not None and self._opened_by == threading.get_ident():
            self._ledger.close()
            self._ledger = None

    def _next(self) -> list[SpooledInterval]:
        with self._turn:
            if self._complete:
                return list(self._at_hand)
        batch = self._spool.waiting(BATCH)
        if len(batch) < BATCH:
            with self._turn:  # what came since is behind the batch, and is either in the deque or in the next batch
                last = batch[-1].sequence if batch else 0
                self._at_hand = deque(item for item in self._at_hand if item.sequence > last)
                self._complete = not batch
        return batch

    def _hand_over(self, batch: Sequence[SpooledInterval], at: Instant) -> int:
        if self._ledger is None:
            self._ledger, self._opened_by = self._open_ledger(), threading.get_ident()
        try:
            origin = Origin(self._cluster, self._spool.spool_id)
            committed = self._ledger.energy.append(origin, batch, at.utc)
        except IntervalRefused as refusal:
            return self._without_refused(batch, refusal, at)
        self._done(batch[-1].sequence)
        return committed

    def _without_refused(self, batch: Sequence[SpooledInterval], refusal: IntervalRefused, at: Instant) -> int:
        """Deliver what comes before the refused interval, and put that aside; the next batch begins there."""
        committed = 0
        for item in batch:
            if item.sequence == refusal.sequence or len(batch) == 1:
                self._set_aside(item, refusal.reason)
                break
            # Where the batch broke the rules together, each tells by itself whether it does.
            committed += self._hand_over([item], at)
            if item.sequence in self._refused:
                break
        return committed

    def _set_aside(self, refused: SpooledInterval, reason: str) -> None:
        self._spool.set_aside(refused, reason)
        self._refused.add(refused.sequence)
        with self._turn:
            self._at_hand.clear()
            self._complete = False

    def _done(self, up_to: int) -> None:
        self._spool.delivered(up_to)
        with self._turn:
            while self._at_hand and self._at_hand[0].sequence <= up_to:
                self._at_hand.popleft()


class DeliveryThread:
    """While it is entered, deliveries happen every so many seconds; on leaving, once more."""

    def __init__(self, delivery: Delivery, now: Callable[[], Instant], every_s: float) -> None:
        self._delivery, self._now, self._every_s = delivery, now, every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(LAST_WORD_S)
        if self._thread.is_alive():
            log.warning("the ledger gives no answer: what is not delivered waits in the spool for the next start")

    def _run(self) -> None:
        wait_s = self._delivery.first_s(self._every_s)
        while not self._stopped.wait(wait_s):
            self._once(now_or_never=False)
            wait_s = self._every_s
        self._once(now_or_never=True)
        self._delivery.close()

    def _once(self, *, now_or_never: bool) -> None:
        try:
            self._delivery.deliver(self._now(), now_or_never=now_or_never)
        except Exception:  # a ledger may be anybody's code; this thread must go on, and the trace tells why
            log.exception("the delivery failed; it is tried again")
