"""The agent itself: when to look, when to read, when to deliver."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from vispa_green.agent.sampling import NodeReader
from vispa_green.agent.spool import Spool
from vispa_green.agent.watch import JobWatch
from vispa_green.energy.accounting import Accountant, Baseline, NodePass
from vispa_green.errors import LedgerError, SpoolError
from vispa_green.model import Instant, Ledger, Origin

log = logging.getLogger(__name__)

BATCH = 500
RETRY_DELIVERY_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to read the counters and to look for jobs, in ns."""

    interval_ns: int
    scan_ns: int


class Agent:
    """Accounts one node. Every method takes the moment; the caller owns the clock and the waiting."""

    def __init__(
        self,
        reader: NodeReader,
        watch: JobWatch,
        accountant: Accountant,
        spool: Spool,
        open_ledger: Callable[[], Ledger],
        cluster: str,
    ) -> None:
        self._reader, self._watch, self._accountant, self._spool = reader, watch, accountant, spool
        self._open_ledger, self._cluster = open_ledger, cluster
        self._ledger: Ledger | None = None
        self._since: Baseline | None = spool.baseline()
        self._gap = "no agent was running" if self._since else ""
        self._last_look: NodePass | None = None
        self._deliver_after_ns = 0
        self._undelivered_for = ""

    def look(self, at: Instant) -> None:
        """Look at the node; when a job has come or gone, close the interval at the look before.

        So an interval has the same jobs from its start to its end, but for the time between two looks,
        and the energy of a short job is not mixed with that of the quiet hour before it.
        """
        changed = self._watch.scan(at.monotonic_ns)
        if changed and self._last_look is not None:
            self._close(self._last_look)
        self._last_look = self._reader.read(self._watch, at)

    def read(self, at: Instant) -> None:
        """Look at the node and close the interval now."""
        self.look(at)
        if self._last_look is not None:
            self._close(self._last_look)

    def _close(self, now: NodePass) -> None:
        if self._since is not None and self._since.at == now.at:
            return
        baseline = self._accountant.baseline(now, self._since)
        interval = None if self._since is None else self._accountant.close(self._since, now, self._gap)
        try:
            self._spool.keep(interval, baseline)
        except SpoolError as error:
            # The old baseline stands, so the next interval will contain this one: nothing is lost but detail.
            log.warning("%s: this interval will be part of the next", error)
            return
        self._since, self._gap = baseline, ""
        self._watch.forget_ended(now.at.monotonic_ns)

    def deliver(self, at: Instant) -> int:
        """Hand what waits in the spool to the ledger; return how many intervals it has committed.

        A ledger that cannot be reached is asked again some seconds later; meanwhile the spool grows.
        """
        if at.monotonic_ns < self._deliver_after_ns:
            return 0
        committed = 0
        try:
            if self._ledger is None:
                self._ledger = self._open_ledger()
            while batch := self._spool.waiting(BATCH):
                committed += self._ledger.energy.append(Origin(self._cluster, self._spool.spool_id), batch, at.utc)
                self._spool.delivered(batch[-1].sequence)
        except (LedgerError, SpoolError) as error:
            self._deliver_after_ns = at.monotonic_ns + RETRY_DELIVERY_NS
            if str(error) != self._undelivered_for:
                log.warning("%s; intervals wait in the spool until it works again", error)
            self._undelivered_for = str(error)
        else:
            self._undelivered_for = ""
        return committed

    def close(self) -> None:
        """Release spool and ledger."""
        self._spool.close()
        if self._ledger is not None:
            self._ledger.close()


def run(
    agent: Agent,
    pace: Pace,
    now: Callable[[], Instant],
    wait: Callable[[float], bool],
    samples: int | None = None,
) -> None:
    """Run until ``wait(seconds)`` says stop, or until ``samples`` regular readings have been taken.

    Readings keep to a fixed raster from the first one on; if the machine slept, missed ones are skipped.
    """
    at = now()
    next_read_ns, taken = at.monotonic_ns, 0
    while True:
        if at.monotonic_ns >= next_read_ns:
            agent.read(at)
            taken += 1
            if taken == 1:
                log.info("first reading taken, accounting from here on")
            missed = (at.monotonic_ns - next_read_ns) // pace.interval_ns
            next_read_ns += (missed + 1) * pace.interval_ns
        else:
            agent.look(at)
        agent.deliver(at)
        if samples is not None and taken >= samples:
            return
        pause_ns = min(pace.scan_ns, max(0, next_read_ns - now().monotonic_ns))
        if wait(pause_ns / 1e9):
            agent.read(now())
            agent.deliver(now())
            return
        at = now()
