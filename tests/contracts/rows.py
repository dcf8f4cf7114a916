"""Rows to put into ledgers: intervals, facts, promises of jobs whose figures the tests know by heart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from vispa_green.model import (
    Binding,
    Component,
    Dimension,
    EnergyEntry,
    JobActivity,
    JobFact,
    JobShare,
    Ledger,
    NodeInterval,
    Origin,
    Promise,
    Quality,
    Quantity,
    Selection,
    SpooledInterval,
)

START = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
ORIGIN = Origin("lab", "spool")
UJ_PER_WH = 3_600_000_000


def interval(number: int, energy_uj: int = 1000, quality: Quality = Quality.MEASURED) -> NodeInterval:
    """Return the ``number``-th ten seconds of job 7 on n1: 50 µJ of idle power, all but 350 µJ for the job."""
    start = START + number * 10 * SECOND
    entry = EnergyEntry(
        Component.CPU, "intel-rapl:0", quality, energy_uj, 100, 200, (JobShare("7", energy_uj - 350, 50),)
    )
    jobs = (JobActivity("7", 5_000_000_000, 9_000_000, Binding(1001, 4, ())),)
    return NodeInterval("n1", "boot", start, start + 10 * SECOND, 10_000_000, quality, (entry,), jobs)


def spooled(*numbers: int) -> list[SpooledInterval]:
    """Return some of those intervals under their numbers."""
    return [SpooledInterval(number, interval(number)) for number in numbers]


def charged(
    jobs: Mapping[str, int],
    start: datetime,
    length: timedelta,
    *,
    node: str = "n1",
    uid: int | None = 1001,
    submitted: datetime | None = None,
    quality: Quality = Quality.MEASURED,
) -> NodeInterval:
    """Return an interval in which jobs used so many µJ each."""
    shares = tuple(JobShare(job, energy_uj) for job, energy_uj in jobs.items())
    entry = EnergyEntry(Component.CPU, "cpu", quality, sum(jobs.values()), jobs=shares)
    length_us = length // timedelta(microseconds=1)
    activity = tuple(JobActivity(job, 0, length_us, Binding(uid, 1, (), submitted)) for job in jobs)
    return NodeInterval(node, "boot", start, start + length, length_us, quality, (entry,), activity)


def deliver(
    ledger: Ledger, intervals: Iterable[NodeInterval], *, cluster: str = "lab", spool: str = "spool", first: int = 1
) -> None:
    """Put intervals into a ledger, numbered from ``first`` on."""
    items = [SpooledInterval(number, one) for number, one in enumerate(intervals, first)]
    ledger.energy.append(Origin(cluster, spool), items, START)


def fact(job_id: str = "7", **changes: object) -> JobFact:
    """Return what Slurm says of a job of ada's that runs from START on."""
    plain: dict[str, object] = {
        "job_id": job_id, "display_id": job_id, "user": "ada", "account": "physics", "partition": "main",
        "name": "train", "state": "RUNNING", "nodes": ("n1",), "submit": START, "eligible": START,
        "start": START, "end": None, "time_limit": None, "cpus": 4, "uid": 1001,
    }  # fmt: skip
    return JobFact(**{**plain, **changes})  # type: ignore[arg-type]


def promise(job_id: str = "7", user: str = "ada", submitted: datetime = START, cluster: str = "lab") -> Promise:
    """Return what was promised of a job."""
    return Promise(
        job_id, user, submitted, submitted + 60 * SECOND, timedelta(hours=4), None, Quantity.CARBON_INTENSITY, 250.5,
        300.25, "best_mean", "the greenest", cluster,
    )  # fmt: skip


def two_users(ledger: Ledger, mine: str) -> None:
    """Tell of two jobs of ``mine`` and one of bob's, all seen before it was known whose they are."""
    deliver(ledger, [charged({"7": 1000, "8": 500, "9": 70}, START, HOUR, submitted=None)])
    for number, user in (("7", mine), ("8", "bob"), ("9", mine)):
        ledger.facts.append("lab", [fact(number, user=user, end=START + HOUR)], START + HOUR)
        ledger.promises.append(promise(number, user))


def energy_by(ledger: Ledger, *by: Dimension, selection: Selection | None = None) -> dict[object, int]:
    """Return all energy by group; a group of one dimension is called by its value."""
    found = ledger.energy.totals(selection or Selection(), by, BERLIN, with_grid=False)
    return {
        _name([total.group[one] for one in by]): sum(s.busy_uj + s.idle_uj for s in total.sums) for total in found
    }


def _name(values: Sequence[object]) -> object:
    return values[0] if len(values) == 1 else tuple(values)
