"""The agent itself: when to look, when to read, when to deliver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from vispa_green.agent.delivery import Delivery, DeliveryThread
from vispa_green.agent.sampling import Failures, NodeReader
from vispa_green.agent.spool import Spool
from vispa_green.agent.watch import JobWatch
from vispa_green.energy.accounting import Accountant, Baseline, NodePass
from vispa_green.energy.quarters import cut, next_quarter
from vispa_green.errors import SpoolError
from vispa_green.model import QUARTER, Instant, Ledger, SpooledInterval

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to read the counters, to look for jobs (ns), and to deliver (s)."""

    interval_ns: int
    scan_ns: int
    deliver_s: float = 1.0


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
        *,
        keeps: timedelta = timedelta(days=7),
    ) -> None:
        self._reader, self._watch, self._accountant, self._spool = reader, watch, accountant, spool
        self.delivery = Delivery(spool, open_ledger, cluster, keeps=keeps)
        self._failures = Failures()
        self._last: NodePass | None = None
        self._unkept_for = ""
        self._since: Baseline | None
        self._since, lost = spool.baseline()
        self._gap = (lost or "no agent was running") if self._since else ""

    def look(self, at: Instant) -> None:
        """Look which jobs are here; when one has come or gone, close the interval.

        So an interval has the same jobs from its start to its end. Where a job may be a short one, each look
        reads the counters, and the time between the look before and the change is an interval of its own:
        the energy of a job of seconds is not mixed with that of the quiet hour before or after it.
        """
        changed = self._watch.look(at.monotonic_ns)
        before, self._last = self._last, None
        if changed or self._watch.has_young(at.monotonic_ns):
            self._last = self._reader.read(self._watch, at)
        if changed and self._last is not None:
            if before is not None:
                self._close(before)
            self._close(self._last)

    def places(self) -> Collection[str]:
        """Return the directories in which jobs come and go, as far as they are known."""
        return self._watch.places()

    def read(self, at: Instant) -> None:
        """Look at the node and close the interval now."""
        self.look(at)
        self._close(self._last or self._reader.read(self._watch, at))

    def _close(self, now: NodePass) -> None:
        if self._since is not None and self._since.at == now.at:
            return
        self._failures.report(now.readings)
        baseline = self._accountant.baseline(now, self._since)
        interval = None if self._since is None else self._accountant.close(self._since, now, self._gap)
        parts = () if interval is None else cut(interval)
        try:
            numbers = self._spool.keep(parts, baseline)
        except SpoolError as error:
            # The old baseline stands, so the next interval will contain this one: nothing is lost but detail.
            if str(error) != self._unkept_for:
                log.warning("%s: intervals are put together until it works again", error)
            self._unkept_for = str(error)
            return
        self.delivery.fresh(map(SpooledInterval, numbers, parts))
        self._since, self._gap, self._unkept_for = baseline, "", ""
        self._watch.forget_ended(now.at.monotonic_ns)

    def deliver(self, at: Instant) -> int:
        """Hand what waits in the spool to the ledger, here and now; return how many intervals it has committed."""
        return self.delivery.deliver(at)

    def close(self) -> None:
        """Release spool and ledger."""
        self._reader.close()
        self.delivery.close()
        self._spool.close()


def run(
    agent: Agent,
    pace: Pace,
    now: Callable[[], Instant],
    wait: Callable[[float], bool],
    samples: int | None = None,
) -> None:
    """Run until ``wait(seconds)`` says stop, or until ``samples`` regular readings have been taken.

    Readings keep to a fixed raster from the first one on; if the machine slept, missed ones are skipped.
    One more is taken at each UTC quarter-hour, so that what is cut there is next to nothing. Deliveries
    have a thread of their own; the last one is waited for, but not for long.
    """
    with DeliveryThread(agent.delivery, now, pace.deliver_s):
        _look_and_read(agent, pace, now, wait, samples)


def _look_and_read(
    agent: Agent, pace: Pace, now: Callable[[], Instant], wait: Callable[[float], bool], samples: int | None
) -> None:
    at = now()
    next_read_ns, quarter, taken = at.monotonic_ns, next_quarter(at.utc), 0
    while True:
        if at.monotonic_ns >= next_read_ns:
            agent.read(at)
            taken += 1
            if taken == 1:
                log.info("first reading taken, accounting from here on")
            missed = (at.monotonic_ns - next_read_ns) // pace.interval_ns
            next_read_ns += (missed + 1) * pace.interval_ns
        elif at.utc >= quarter:
            agent.read(at)
        else:
            agent.look(at)
        if not timedelta(0) < quarter - at.utc <= QUARTER:  # it is over, or the clock was set
            quarter = next_quarter(at.utc)
        if samples is not None and taken >= samples:
            return
        here = now()
        to_quarter_s = max(0.0, (quarter - here.utc).total_seconds())
        to_read_s = max(0, next_read_ns - here.monotonic_ns) / 1e9
        if wait(min(pace.scan_ns / 1e9, to_read_s, to_quarter_s)):
            agent.read(now())
            return
        at = now()
