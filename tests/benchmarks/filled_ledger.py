"""Fills a ledger as a year of a cluster would, through the product's own books; the same arguments, the same rows.

    python tests/benchmarks/filled_ledger.py .cache/bench/ledger-1000000.sqlite --jobs 1000000 --days 364

One user's jobs are the same whatever the others do, so that two ledgers tell what others' jobs cost him.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import cos, pi
from pathlib import Path

from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    QUARTER,
    Binding,
    Component,
    EnergyEntry,
    GridKind,
    GridValue,
    JobActivity,
    JobFact,
    JobShare,
    Ledger,
    NodeInterval,
    Origin,
    Quality,
    Quantity,
    SpooledInterval,
)

CLUSTER, ZONE = "cluster", "Europe/Berlin"
END = datetime(2026, 11, 25, 23, 0, tzinfo=UTC)
"""Midnight in Berlin, so that the last day is 2026-11-25."""
CHUNK = timedelta(days=5)
"""What is delivered before the next node's turn: 480 intervals a batch."""
USERS, ACCOUNTS, PROJECTS, PARTITIONS, NODE_CPUS = 1000, 40, 60, ("cpu", "long", "gpu"), 64
PROBE = "probe"
PROBE_JOBS_A_YEAR = 1619
"""As the user had whom the figures of the older version were measured with."""
QUARTER_US = QUARTER // timedelta(microseconds=1)
SECOND_US = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the load; all times are whole seconds, as Slurm keeps them."""

    number: int
    user: str
    node: int
    cpus: int
    submit_us: int
    start_us: int
    end_us: int

    @property
    def uid(self) -> int:
        return 999 if self.user == PROBE else 1000 + int(self.user[1:])


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is of everything."""

    jobs: int
    days: int
    nodes: int

    @property
    def start(self) -> datetime:
        return END - timedelta(days=self.days)

    def chunks(self) -> Iterator[tuple[datetime, datetime]]:
        begin = self.start
        while begin < END:
            yield begin, min(begin + CHUNK, END)
            begin += CHUNK


def started_between(load: Load, first: datetime, last: datetime, number: int) -> list[Job]:
    """Return the jobs that start in a span, in order; the first is called ``number``."""
    own = random.Random(f"{PROBE} {first}")
    others = random.Random(f"{load} {first}")
    days = (last - first) / timedelta(days=1)
    least_nodes = 5
    drawn = [_drawn(own, PROBE, least_nodes, first, last) for _ in range(round(PROBE_JOBS_A_YEAR / 364 * days))]
    weights = list(accumulate(1 / (rank + 50) for rank in range(USERS)))  # a few users have most of the jobs
    for _ in range(round(load.jobs / load.days * days)):
        user = f"u{bisect(weights, others.random() * weights[-1]):04}"
        drawn.append(_drawn(others, user, load.nodes, first, last))
    drawn.sort(key=lambda row: (row[4], row[3]))
    return [Job(number + i, *row) for i, row in enumerate(drawn)]


def _drawn(
    draw: random.Random, user: str, nodes: int, first: datetime, last: datetime
) -> tuple[str, int, int, int, int, int]:
    seconds = int((last - first).total_seconds())
    start_us = _us(first) + int(draw.random() * seconds) * SECOND_US
    length_us = (60 + int(draw.random() * 3540)) * SECOND_US
    waited_us = int(draw.random() * 600) * SECOND_US
    return (
        user,
        int(draw.random() * nodes),
        1 << int(draw.random() * 5),
        start_us - waited_us,
        start_us,
        (start_us + length_us),
    )


def intervals(load: Load, node: int, jobs: Sequence[Job], first: datetime, last: datetime) -> list[SpooledInterval]:
    """Return the quarter-hours of a span in which a node has jobs; what it idles for is nobody's."""
    by_quarter: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        for quarter in range(job.start_us // QUARTER_US, (job.end_us - 1) // QUARTER_US + 1):
            by_quarter[quarter].append(job)
    start = _us(load.start) // QUARTER_US
    return [
        SpooledInterval(quarter - start, _interval(node, quarter, by_quarter[quarter]))
        for quarter in range(_us(first) // QUARTER_US, _us(last) // QUARTER_US)
        if quarter in by_quarter
    ]


def _interval(node: int, quarter: int, jobs: Iterable[Job]) -> NodeInterval:
    start_us = quarter * QUARTER_US
    present = [(job, min(job.end_us, start_us + QUARTER_US) - max(job.start_us, start_us)) for job in jobs]
    entries = (
        _entry(Component.CPU, "intel-rapl:0", 60, 5, present, quarter),
        _entry(Component.DRAM, "intel-rapl:0:0", 8, 1, present, quarter),
    )
    activity = tuple(
        JobActivity(
            str(job.number), job.cpus * present_us * 900, present_us,
            Binding(job.uid, job.cpus, (), _utc(job.submit_us), 1, job.cpus),
        )
        for job, present_us in present
    )  # fmt: skip
    start = _utc(start_us)
    return NodeInterval(
        f"node{node:03}", "boot", start, start + QUARTER, QUARTER_US, Quality.MEASURED, entries, activity
    )


def _entry(
    component: Component, device: str, idle_w: int, core_w: int, present: list[tuple[Job, int]], quarter: int
) -> EnergyEntry:
    left_uj = idle_w * QUARTER_US
    total_uj, shares = left_uj, []
    for job, present_us in present:
        busy_uj = job.cpus * core_w * present_us + (job.number * 7919 + quarter) % 1009
        idle_uj = min(left_uj, idle_w * present_us * job.cpus // NODE_CPUS)
        shares.append(JobShare(str(job.number), busy_uj, idle_uj))
        left_uj -= idle_uj
        total_uj += busy_uj
    return EnergyEntry(component, device, Quality.MEASURED, total_uj, left_uj, 0, tuple(shares))


def fact(job: Job) -> JobFact:
    """Return what Slurm tells of a job that is over."""
    number, name = job.number, f"fit-{job.number % 37}"
    start, end = _utc(job.start_us), _utc(job.end_us)
    account = f"group{job.uid % ACCOUNTS:02}"
    return JobFact(
        str(number), str(number), job.user, account, PARTITIONS[number % 3], name, "COMPLETED",
        (f"node{job.node:03}",), _utc(job.submit_us), _utc(job.submit_us), start, end, timedelta(hours=1), job.cpus,
        2000 * job.cpus, 700 * job.cpus, "", job.uid, "normal", f"project{job.uid % PROJECTS:02}", "0:0", end - start,
    )  # fmt: skip


def grid_values(first: datetime, last: datetime, kind: GridKind) -> list[GridValue]:
    """Return quarter-hours of the German grid in shape: sun at noon, wind that comes and goes."""
    found: list[GridValue] = []
    error = 1.0 if kind is GridKind.MEASURED else 1.05
    for number in range((last - first) // QUARTER):
        start = first + number * QUARTER
        hours = (start - EPOCH) / timedelta(hours=1)
        sun = max(0.0, -cos(2 * pi * (hours % 24) / 24)) * (1.1 - cos(2 * pi * hours / 8766))
        share = min(95.0, (25 + 20 * sun + 15 * cos(2 * pi * hours / 97)) * error)
        issued = start - timedelta(hours=12) if kind is GridKind.FORECAST else start + QUARTER
        for quantity, value in (
            (Quantity.RENEWABLE_SHARE, round(share, 2)),
            (Quantity.CARBON_INTENSITY, round(720 - 6.5 * share, 1)),
        ):
            found.append(GridValue(quantity, kind, start, start + QUARTER, value, "energy_charts", issued, issued))
    return found


def fill(ledger: Ledger, load: Load, told: Callable[[str], None]) -> None:
    """Fill a ledger; ``told`` hears how far it is."""
    number, running = 1_000_000, list[Job]()
    began = time.process_time()
    rows = 0
    for first, last in load.chunks():
        ledger.grid.append(grid_values(first, last, GridKind.FORECAST))
        jobs = started_between(load, first, last, number)
        number += len(jobs)
        here: defaultdict[int, list[Job]] = defaultdict(list)
        for job in (*running, *jobs):
            here[job.node].append(job)
        for node in range(load.nodes):
            batch = intervals(load, node, here[node], first, last)
            rows += sum(1 + len(i.interval.entries) + sum(len(e.jobs) for e in i.interval.entries)
                        + len(i.interval.jobs) for i in batch)  # fmt: skip
            ledger.energy.append(Origin(CLUSTER, f"spool-{node}"), batch, last)
        over_us = _us(last)
        ledger.facts.append(CLUSTER, [fact(job) for job in (*running, *jobs) if job.end_us <= over_us], last)
        running = [job for job in (*running, *jobs) if job.end_us > over_us]
        ledger.grid.append(grid_values(first, last, GridKind.MEASURED))
        spent_s = time.process_time() - began
        told(f"until {last:%Y-%m-%d}: {number - 1_000_000} jobs, {rows} rows, {spent_s:.0f} CPU-s,"
             f" {rows / spent_s:.0f} rows/s")  # fmt: skip
    # As agents and providers write on, the week before the last is made ready; the last one is not over.
    ledger.grid.append(grid_values(END + timedelta(hours=14), END + timedelta(hours=15), GridKind.FORECAST))


def filled(path: Path, load: Load, told: Callable[[str], None] = lambda _: None) -> Path:
    """Return a ledger of this load at a path, made if it is not there; half a one is never left there."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    for old in (unfinished, *path.parent.glob(f"{unfinished.name}-*")):
        old.unlink(missing_ok=True)
    ledger = open_ledger(
        f"sqlite://{unfinished.absolute()}", create=True, read_only=False, cluster=CLUSTER, zone=ZONE
    )
    try:
        fill(ledger, load, told)
    finally:
        ledger.close()
    return unfinished.rename(path)


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _utc(moment_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=moment_us)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--nodes", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _asked()
    filled(
        asked.path, Load(asked.jobs, asked.days, asked.nodes), lambda line: print(line, file=sys.stderr, flush=True)
    )
