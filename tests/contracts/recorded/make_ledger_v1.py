"""Makes the ledgers of schema 1 beside this file, with that version's own code: commit 30b178f, 22 November 2026.

    git worktree add /tmp/old 30b178f
    PYTHONPATH=/tmp/old python tests/contracts/recorded/make_ledger_v1.py tests/contracts/recorded

No test runs it: what it made is what counts. Whole-node counters beside their parts and alone, GPUs, DRAM, estimates,
gaps with and without a figure, intervals across quarter-hours; an array, a het job, a requeue; numbers that come
again after a year with facts (500) and without (600); grid values that were revised; promises and moves.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    Binding,
    Component,
    EnergyEntry,
    GridKind,
    GridValue,
    JobActivity,
    JobFact,
    JobShare,
    Ledger,
    Move,
    NodeInterval,
    Promise,
    Quality,
    Quantity,
    SpooledInterval,
)

FIRST = datetime(2025, 11, 10, 8, 7, 30, 123456, tzinfo=UTC)
YEAR_LATER = FIRST + timedelta(days=364)
STEP = timedelta(minutes=10)
USERS = {1001: "ada", 1002: "bob", 1003: "cem"}
CPU, DRAM, GPU, NODE = Component.CPU, Component.DRAM, Component.GPU, Component.NODE
MEASURED, ESTIMATED, GAP = Quality.MEASURED, Quality.ESTIMATED, Quality.GAP

Job = tuple[str, "int | None", "int | None"]
"""A number, a uid and CPUs, as far as the agent knew them."""


def shared(component: Component, device: str, quality: Quality, seed: int, jobs: Sequence[Job]) -> EnergyEntry:
    """Return an entry whose figures have no common divisor."""
    shares = tuple(
        JobShare(job, 7_000_003 * (seed + i) + 11, 1_000_033 * (i + 1)) for i, (job, *_) in enumerate(jobs)
    )
    idle, system = 3_000_017 + seed, 500_009 if seed % 2 else 0
    measured = idle + system + sum(share.busy_uj + share.idle_uj for share in shares)
    return EnergyEntry(component, device, quality, measured, idle, system, shares)


def entries(node: str, number: int, jobs: Sequence[Job], quality: Quality) -> tuple[EnergyEntry, ...]:
    """n1: two sockets, DRAM, a card, and a counter of the whole node. n2: a power model. n3: the whole node alone."""
    if node == "n2":
        return (shared(CPU, "estimate", GAP if quality is GAP else ESTIMATED, number, jobs),)
    if node == "n3":
        return (shared(NODE, "psys", quality, number, jobs),)
    parts = [
        shared(CPU, "intel-rapl:0", quality, number, jobs),
        shared(CPU, "intel-rapl:1", quality, number + 1, jobs),
        shared(DRAM, "intel-rapl:0:0", quality, number + 2, jobs),
        shared(GPU, "gpu-0", quality, number + 3, jobs[:1]),
        shared(NODE, "psys", quality, number + 40, jobs),
    ]
    if number % 5 == 4:
        parts[2] = EnergyEntry(DRAM, "intel-rapl:0:0", GAP, None, reason="unreadable")
    return tuple(parts)


def interval(
    node: str, number: int, start: datetime, jobs: Sequence[Job], quality: Quality = MEASURED
) -> NodeInterval:
    seconds = 1_000_000 * int(STEP.total_seconds())
    activity = tuple(
        JobActivity(job, 123_456_789 * (number + 1), seconds - 7 * i, Binding(uid, cpus, ()))
        for i, (job, uid, cpus) in enumerate(jobs)
    )
    reason = "the agent was away" if quality is GAP else ""
    parts = entries(node, number, jobs, quality)
    return NodeInterval(node, "boot-1", start, start + STEP, seconds, quality, parts, activity, reason)


def deliver(ledger: Ledger, node: str, first: int, start: datetime, jobs: Sequence[Sequence[Job]]) -> None:
    spooled = [
        SpooledInterval(first + i, interval(node, first + i, start + i * STEP, present, GAP if i == 3 else MEASURED))
        for i, present in enumerate(jobs)
    ]
    ledger.append(f"spool-{node}", spooled, start + timedelta(hours=2))


def fact(
    number: str, shown: str, uid: int, submit: datetime, start: datetime | None, end: datetime | None
) -> JobFact:
    state = "PENDING" if start is None else "RUNNING" if end is None else "COMPLETED"
    whole = submit.replace(microsecond=0)
    return JobFact(
        number, shown, USERS[uid], "phys", "main", f"fit '{shown}' ä", state, ("n1", "n2"), whole, whole,
        start and start.replace(microsecond=0), end and end.replace(microsecond=0),
        timedelta(days=1, hours=2, seconds=3), 4, 8000, 900, "",
    )  # fmt: skip


def energies(ledger: Ledger) -> None:
    ada, plain, array, het = ("100", 1001, 4), ("101", 1002, 2), ("301", 1001, 1), ("200", 1003, 8)
    task, part, requeued, again = ("302", 1001, 1), ("201", 1003, 8), ("400", 1002, 2), ("500", 1001, 4)
    unknown, nobody = ("600", 1003, 4), ("700", None, None)
    deliver(ledger, "n1", 0, FIRST, [[ada, plain], [ada, plain], [ada], [ada, array], [ada, array], [requeued], []])
    deliver(ledger, "n2", 0, FIRST, [[ada, het], [het], [part, task], [task], [again], [again], [unknown]])
    deliver(ledger, "n3", 0, FIRST, [[unknown], [unknown], [nobody], [nobody], []])
    deliver(ledger, "n1", 10, FIRST + timedelta(hours=1, minutes=15), [[requeued], [requeued, ada]])
    deliver(ledger, "n1", 20, YEAR_LATER, [[("500", 1002, 2)], [("500", 1002, 2)], [("600", 1003, 2)]])
    deliver(ledger, "n3", 20, YEAR_LATER, [[("600", 1003, 2)], [("600", 1003, 2), nobody]])


def facts(ledger: Ledger) -> None:
    hour, told = timedelta(hours=1), FIRST + timedelta(hours=3)
    before = FIRST - timedelta(minutes=5)
    ledger.append_job_facts([fact("100", "100", 1001, before, FIRST, None)], FIRST + STEP)
    ledger.append_job_facts([fact("400", "400", 1002, before, FIRST + 5 * STEP, None)], FIRST + 6 * STEP)
    requeued = FIRST + timedelta(hours=1, minutes=5)
    ledger.append_job_facts(
        [
            fact("100", "100", 1001, before, FIRST, FIRST + timedelta(hours=1, minutes=35)),
            fact("101", "101", 1002, before, FIRST, FIRST + 2 * STEP),
            fact("200", "200+0", 1003, before, FIRST, FIRST + 2 * STEP),
            fact("201", "200+1", 1003, before, FIRST + 2 * STEP, FIRST + 3 * STEP),
            fact("301", "300_1", 1001, before, FIRST + 3 * STEP, FIRST + 5 * STEP),
            fact("302", "300_2", 1001, before, FIRST + 2 * STEP, FIRST + 4 * STEP),
            fact("400", "400", 1002, requeued, FIRST + timedelta(hours=1, minutes=15), FIRST + timedelta(minutes=95)),
            fact("500", "500", 1001, before, FIRST + 4 * STEP, FIRST + 6 * STEP),
            fact("800", "800", 1003, before, None, None),
        ],
        told,
    )
    again = fact("500", "500", 1002, YEAR_LATER - hour, YEAR_LATER, YEAR_LATER + 2 * STEP)
    ledger.append_job_facts([again], YEAR_LATER + hour)


def grid(ledger: Ledger) -> None:
    quarter = timedelta(minutes=15)
    start = FIRST.replace(minute=0, second=0, microsecond=0)
    kinds = [(GridKind.FORECAST, 12.5), (GridKind.MEASURED, -30.0), (GridKind.MEASURED, 0.0)]
    for source, offset, step in (("energy_charts", 0.0, quarter), ("csv", 7.25, 4 * quarter)):
        for issue, (kind, change) in enumerate(kinds):
            issued = start + issue * timedelta(hours=3)
            values = [
                GridValue(quantity, kind, begin + i * step, begin + (i + 1) * step, value + offset + change + i,
                          source, issued, issued)
                for begin in (start, start + timedelta(days=364))
                for i in range(5)
                for quantity, value in ((Quantity.CARBON_INTENSITY, 400.0), (Quantity.RENEWABLE_SHARE, 40.0))
            ]  # fmt: skip
            ledger.append_grid_values(values)


def promises(ledger: Ledger) -> None:
    for number, user, submitted in (("100", "ada", FIRST), ("500", "ada", FIRST), ("500", "bob", YEAR_LATER)):
        submitted -= timedelta(minutes=5)  # noqa: PLW2901
        planned = submitted + timedelta(hours=6)
        length, finish = timedelta(hours=1, minutes=30), submitted + timedelta(days=1)
        ledger.append_promise(
            Promise(number, user, submitted, planned, length, finish, Quantity.CARBON_INTENSITY, 250.5, 400.0,
                    "best_mean", "greener then")
        )  # fmt: skip
        for later in (1, 2):
            ledger.append_moves(
                [Move(number, submitted, submitted + later * STEP, user, planned, planned + later * STEP,
                      Quantity.CARBON_INTENSITY, 250.5, 240.25, "the forecast changed")]
            )  # fmt: skip


def main(directory: Path) -> None:
    whole, without = directory / "ledger_v1.sqlite", directory / "ledger_v1_without_moves.sqlite"
    for path in (whole, without):
        path.unlink(missing_ok=True)
    ledger = open_ledger(f"sqlite://{whole.absolute()}", create=True)
    for fill in (energies, facts, grid, promises):
        fill(ledger)
    ledger.close()
    shutil.copyfile(whole, without)
    for path, statements in ((whole, ()), (without, ("DROP TABLE move",))):
        database = sqlite3.connect(path, isolation_level=None)
        for statement in (*statements, "PRAGMA journal_mode = DELETE", "VACUUM"):
            database.execute(statement)
        database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
