"""Agents without meters: what a node would have measured goes through the real spool and the real delivery.

Time is simulated; only connections and the server's commits take real time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from tests.contracts.real_server import RealServer, token_file
from tests.fleet.minutes import MINUTE, MINUTE_US, minute, node_name
from vispa_green.agent.delivery import Delivery
from vispa_green.agent.spool import Spool
from vispa_green.energy.accounting import Baseline
from vispa_green.host import Host
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, Instant, Ledger, NodeEnergy, NodeInterval, Selection, SpooledInterval

DELIVER_S = 20
JUMPS_ONE_IN = 8
FURTHEST_JUMP = timedelta(hours=3)
JobSums = dict[tuple[str, Component], tuple[int, int]]


class Agent:
    """One node's spool and delivery, with a clock that is set now and then."""

    def __init__(self, number: int, directory: Path, server: RealServer, port: int, since: datetime) -> None:
        self.number, self.sent = number, list[NodeInterval]()
        name = node_name(number)
        self._chance, self._ahead, self._at = Random(number), timedelta(0), Instant(since, 0)
        self._spool = Spool(directory, name)
        file = str(token_file(server.directory, f"node:{name}"))

        def opened() -> Ledger:
            return open_ledger(
                f"http://127.0.0.1:{port}",
                tables={"http": {"credential": "token", "timeout_s": 20.0}},
                credentials={"token": {"file": file}},
                host=Host(name, Path("/sys"), Path("/proc"), Path("/sys/fs/cgroup")),
            )

        self._delivery = Delivery(self._spool, opened, "lab", draw=self._chance.random)

    def measure(self, minutes: int = 1) -> None:
        """Let minutes pass and keep what was measured in each; sometimes the clock is set before."""
        if self._chance.randrange(JUMPS_ONE_IN) == 0:
            self._ahead = self._chance.uniform(-1, 1) * FURTHEST_JUMP
        measured = []
        for _ in range(minutes):
            measured.append(minute(self.number, self._at.utc + self._ahead, self._chance))
            self._pass(MINUTE)
        numbers = self._spool.keep(measured, Baseline(self._at, "boot", None, {}, {}))
        if minutes == 1:
            self._delivery.fresh(map(SpooledInterval, numbers, measured))
        self.sent += measured

    def deliver(self) -> int:
        """Deliver as an agent does, three times a minute; return how many intervals still wait."""
        self._delivery.deliver(self._at)
        return self._spool.backlog()

    def wait(self) -> None:
        """Let the time until the next delivery pass, in which nothing is measured."""
        self._pass(timedelta(seconds=DELIVER_S))

    def rest(self) -> None:
        """Release the connection, in the thread that it belongs to."""
        self._delivery.close()

    def close(self) -> None:
        """End; nothing is delivered any more."""
        self._spool.close()

    def _pass(self, span: timedelta) -> None:
        ns = self._at.monotonic_ns + span // timedelta(microseconds=1) * 1000
        self._at = Instant(self._at.utc + span, ns)


def told(interval: NodeInterval) -> Iterator[NodeEnergy]:
    """Yield what a ledger should tell of an interval."""
    sums: defaultdict[Component, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for entry in interval.entries:
        for i, uj in enumerate((entry.measured_uj or 0, entry.jobs_uj, entry.idle_uj, entry.system_uj)):
            sums[entry.component][i] += uj
    for component, parts in sums.items():
        yield NodeEnergy(interval.node, component, interval.quality, interval.start, interval.end, *parts)


def check(url: str, agents: list[Agent], since: datetime) -> None:
    """Compare a ledger with what was sent: every interval once, every job to the µJ, roll-ups and rows alike."""
    with closing(open_ledger(url)) as ledger:
        far = timedelta(days=30)
        rows = Counter(ledger.energy.node_energy(since - far, since + far))
        sent = Counter(one for agent in agents for interval in agent.sent for one in told(interval))
        assert sum((sent - rows).values()) == 0, "lost"
        assert sum((rows - sent).values()) == 0, "double, or never sent"
        accounts = ledger.energy.jobs(Selection())
        assert {
            (account.key.job_id, one.component): (one.busy_uj, one.idle_uj)
            for account in accounts
            for one in account.sums
        } == _by_job(agents)
        present_us = sum(stay.present_us for account in accounts for stay in account.stays)
        assert present_us == sum(len(one.jobs) for agent in agents for one in agent.sent) * MINUTE_US
        measured_uj = sum(one.measured_uj * count for one, count in sent.items())
        assert sum(row.measured_uj for row in ledger.energy.balance()) == measured_uj
        assert [row for row in ledger.energy.balance() if row.difference_uj] == []
        assert ledger.energy.verify() == []


def _by_job(agents: list[Agent]) -> JobSums:
    found: JobSums = {}
    for agent in agents:
        for interval in agent.sent:
            for entry in interval.entries:
                for share in entry.jobs:
                    busy_uj, idle_uj = found.get((share.job_id, entry.component), (0, 0))
                    found[share.job_id, entry.component] = busy_uj + share.busy_uj, idle_uj + share.idle_uj
    return found
