"""Carries the rows of version 1 over: facts first, since they tell which job a number was at a time.

Version 1 knew neither clusters nor submissions of energy. The cluster is the one the ledger's own
configuration names; where no fact tells which job a number was, its submission stays unknown.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vispa_green.ledgers._sql.codec import utc
from vispa_green.ledgers._sql.database import Database
from vispa_green.ledgers._sql.telling import FactWriter
from vispa_green.ledgers._sql.writing import IntervalWriter
from vispa_green.model import (
    Binding,
    Component,
    EnergyEntry,
    JobActivity,
    JobFact,
    JobShare,
    Move,
    NodeInterval,
    Promise,
    Quality,
    Quantity,
    SpooledInterval,
)

AT_ONCE = 2_000
"""Intervals between two writings of the roll-ups, so that memory stays small."""
OLD_TABLES = ("job_share", "job_presence", "energy_entry", "node_interval", "job_fact", "move", "promise")
_SPAN = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def migrate(database: Database, cluster: str, zone: ZoneInfo) -> None:
    """Read what stands in the old tables into the new ones, and drop them; all in the caller's transaction."""
    facts = FactWriter(database, cluster, zone)
    for recorded_us, text in database.execute("SELECT recorded_us, fact FROM old_job_fact ORDER BY id").fetchall():
        facts.add(_fact(json.loads(text)), recorded_us)
    facts.finish()
    for spool in [name for (name,) in database.execute("SELECT DISTINCT spool FROM old_node_interval")]:
        writer = IntervalWriter(database, cluster, zone)
        writer.of(spool)
        for number, (item, received_us) in enumerate(_intervals(database, spool), 1):
            writer.add(item, received_us)
            if number % AT_ONCE == 0:
                writer.finish()
        writer.finish()
    _promises(database, cluster)
    for table in OLD_TABLES:
        database.execute(f"DROP TABLE old_{table}")
    _grid_steps(database)


def _intervals(database: Database, spool: str) -> Iterator[tuple[SpooledInterval, int]]:
    rows = database.execute(
        "SELECT id, node, sequence, boot_id, start_us, end_us, duration_us, quality, reason, received_us"
        " FROM old_node_interval WHERE spool = ? ORDER BY sequence",
        (spool,),
    ).fetchall()
    database.execute("CREATE INDEX IF NOT EXISTS old_share_by_interval ON old_job_share (interval_id)")
    database.execute("CREATE INDEX IF NOT EXISTS old_presence_by_interval ON old_job_presence (interval_id)")
    for number, node, sequence, boot_id, start_us, end_us, duration_us, quality, reason, received_us in rows:
        interval = NodeInterval(
            node, boot_id, utc(start_us), utc(end_us), duration_us, Quality(quality),
            _entries(database, number), _activity(database, number), reason,
        )  # fmt: skip
        yield SpooledInterval(sequence, interval), received_us


def _entries(database: Database, number: int) -> tuple[EnergyEntry, ...]:
    shares: defaultdict[str, list[JobShare]] = defaultdict(list)
    for device, job, busy, idle in database.execute(
        "SELECT device, job_id, busy_uj, idle_uj FROM old_job_share WHERE interval_id = ?", (number,)
    ):
        shares[device].append(JobShare(job, busy, idle))
    return tuple(
        EnergyEntry(
            Component(component),
            device,
            Quality(quality),
            measured,
            idle or 0,
            system or 0,
            tuple(shares[device]),
            why,
        )
        for component, device, quality, measured, idle, system, why in database.execute(
            "SELECT component, device, quality, measured_uj, idle_uj, system_uj, reason FROM old_energy_entry"
            " WHERE interval_id = ?",
            (number,),
        )
    )


def _activity(database: Database, number: int) -> tuple[JobActivity, ...]:
    return tuple(
        JobActivity(job, cpu_ns, present_us, Binding(uid, cpus, None))
        for job, uid, cpu_ns, present_us, cpus in database.execute(
            "SELECT job_id, uid, cpu_ns, present_us, allocated_cpus FROM old_job_presence WHERE interval_id = ?",
            (number,),
        )
    )


def _promises(database: Database, cluster: str) -> None:
    from vispa_green.ledgers._sql.promises import write_moves, write_promise

    for (text,) in database.execute("SELECT promise FROM old_promise ORDER BY id").fetchall():
        body = _times(json.loads(text), ("submitted", "planned_start", "finish_by"), ("duration",))
        body.pop("kind", None)
        write_promise(database, Promise(**{**body, "quantity": Quantity(body["quantity"]), "cluster": cluster}))
    for (text,) in database.execute("SELECT move FROM old_move ORDER BY id").fetchall():
        body = _times(json.loads(text), ("submitted", "moved_at", "before", "after"), ())
        write_moves(database, [Move(**{**body, "quantity": Quantity(body["quantity"]), "cluster": cluster})])


def _grid_steps(database: Database) -> None:
    database.execute(
        "INSERT INTO grid_steps (quantity, source, shortest_us, longest_us)"
        " SELECT quantity, source, min(end_us - start_us), max(end_us - start_us) FROM grid_value"
        " GROUP BY quantity, source"
    )


def _fact(body: dict[str, Any]) -> JobFact:
    body = _times(body, ("submit", "eligible", "start", "end"), ("time_limit",))
    body["peak_memory_mib"] = None
    del body["max_rss_mib"]  # of one task only: what all of them held is not known
    return JobFact(**{**body, "nodes": tuple(body["nodes"])})


def _times(body: dict[str, Any], moments: tuple[str, ...], spans: tuple[str, ...]) -> dict[str, Any]:
    """Read the times of version 1: ISO 8601, for moments as for spans."""
    for name in moments:
        if body.get(name) is not None:
            body[name] = datetime.fromisoformat(body[name]).astimezone(UTC)
    for name in spans:
        if body.get(name) is not None:
            body[name] = _span(body[name])
    return body


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no ISO 8601 duration")
    sign, days, hours, minutes, seconds = match.groups()
    span = timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
    )
    return -span if sign else span
