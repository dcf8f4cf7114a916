"""Whether the roll-ups are what the raw rows sum to, to the microjoule; some jobs at a time, to stay small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from math import isclose
from typing import Any

from vispa_green.ledgers._sql.chain import broken, missing
from vispa_green.ledgers._sql.codec import COMPONENT_CODE, COMPONENTS, QUALITIES, QUALITY_CODE, QUARTER_US, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.local_days import EPOCH_DAY, local_day_sql
from vispa_green.ledgers._sql.tags import of_job
from vispa_green.ledgers._sql.week_parts import Part, part_of
from vispa_green.ledgers._sql.weeks import TABLES, made
from vispa_green.ledgers._sql.windows import Window, quarters_of
from vispa_green.model import ChainHead, Selection

AT_ONCE = 2_000
"""Rows of ``job`` looked at in one step."""
MOST_NAMED = 20
"""After so many sentences it is clear that something is wrong."""


def disagreements(connection: Connection, kept: Sequence[ChainHead] = ()) -> list[str]:
    """Return a sentence for each sum that is not what it should be, and for each break of a spool's chain."""
    found: list[str] = []
    with connection.snapshot():
        for sentence in chain(_all(connection), missing(connection, kept)):
            found.append(sentence)
            if len(found) == MOST_NAMED:
                return [*found, "… and more"]
    return found


def _all(connection: Connection) -> Iterator[str]:
    yield from _entries(connection)
    yield from _quarters(connection)
    yield from _totals(connection)
    yield from _owners(connection)
    yield from _projects(connection)
    yield from _nodes(connection)
    yield from _unbalanced(connection)
    yield from _idle_and_system(connection)
    yield from _weeks(connection)
    yield from broken(connection)


def _entries(connection: Connection) -> Iterator[str]:
    rows = connection.read(
        """
        SELECT interval_id, device, sum(jobs_uj), sum(shares_uj) FROM (
            SELECT interval_id, device, jobs_uj, 0 AS shares_uj FROM energy_entry WHERE measured_uj IS NOT NULL
            UNION ALL SELECT interval_id, device, 0, busy_uj + idle_uj FROM job_share) x
        GROUP BY interval_id, device HAVING sum(jobs_uj) <> sum(shares_uj)
        """
    )
    for interval, device, jobs_uj, shares_uj in rows:
        yield f"interval {interval}, {device}: its jobs carry {jobs_uj} µJ, their shares sum to {shares_uj} µJ"


def _projects(connection: Connection) -> Iterator[str]:
    """Compare the project that counts for a job with its last tag, else with what Slurm told."""
    rows = connection.read(
        "SELECT shown_id, project, counts FROM (SELECT j.shown_id, j.project, coalesce(nullif(("
        " SELECT t.project FROM project_tag t"
        f" WHERE {of_job(connection.dialect)}"
        " ORDER BY t.tagged_us DESC, t.id DESC LIMIT 1), ''), j.told_project) AS counts"
        " FROM job j WHERE j.same_as IS NULL) x WHERE project <> counts"
    )
    for job, project, counts in rows:
        yield f"job {job}: it counts for project {project!r}, its last tag or Slurm says {counts!r}"


def _quarters(connection: Connection) -> Iterator[str]:
    ((last,),) = connection.read("SELECT max(id) FROM job")
    for first in range(1, (last or 0) + 1, AT_ONCE):
        yield from _some_jobs(connection, first, first + AT_ONCE - 1)


def _some_jobs(connection: Connection, first: int, last: int) -> Iterator[str]:
    """Compare the quarter-hours of some rows of ``job``, as far as raw rows are still kept."""
    pruned_us = int(connection.meta("pruned_us") or 0)
    sums = _raw_sums(connection, first, last, pruned_us)
    rows = connection.read(
        "SELECT job, quarter, node_id, component, quality, busy_uj, idle_uj FROM job_quarter"
        " WHERE job BETWEEN ? AND ? AND quarter >= ?",
        (first, last, pruned_us // QUARTER_US),
    )
    kept = {tuple(key): [busy, idle] for *key, busy, idle in rows}
    if kept == sums:
        return
    for key in sorted({*sums, *kept}):
        raw, rolled = sums.get(key, [0, 0]), kept.get(key, [0, 0])
        if raw != rolled:
            job, quarter, node, component, quality = key
            yield (
                f"job row {job} on node row {node}, {utc(quarter * QUARTER_US):%Y-%m-%d %H:%M} UTC,"
                f" {COMPONENTS[component]} {QUALITIES[quality]}: rows sum to {raw} µJ, the roll-up says {rolled} µJ"
                " (busy, idle)"
            )


def _raw_sums(connection: Connection, first: int, last: int, pruned_us: int) -> dict[tuple[Any, ...], list[int]]:
    """Return what the raw rows of some jobs sum to, by job, quarter-hour, node, component and quality."""
    sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    words = connection.dialect
    rows = connection.read(
        f"""
        SELECT coalesce(a.same_as, a.id), i.node_id, e.component, e.quality, i.start_us, i.end_us,
               s.busy_uj, s.idle_uj
        FROM job a JOIN job_share s ON s.job = a.id
        JOIN node_interval i ON {words.of_interval("s", pruned_us)}
        JOIN energy_entry e ON {words.of_interval("e", pruned_us)} AND e.device = s.device
        WHERE a.id IN (SELECT id FROM job WHERE id BETWEEN ? AND ? AND same_as IS NULL
                       UNION SELECT id FROM job WHERE same_as BETWEEN ? AND ?)
        AND e.contained = 0 AND i.end_us > ?
        """,
        (first, last, first, last, pruned_us),
    )
    for job, node, component, quality, start_us, end_us, busy_uj, idle_uj in rows:
        codes = COMPONENT_CODE[component], QUALITY_CODE[quality]
        for quarter, busy, idle in quarters_of(start_us, end_us, busy_uj, idle_uj):
            if quarter * QUARTER_US >= pruned_us:
                own = sums[job, quarter, node, *codes]
                own[0] += busy
                own[1] += idle
    return dict(sums)


def _totals(connection: Connection) -> Iterator[str]:
    rows = connection.read(
        """
        SELECT job, component, quality, sum(busy), sum(idle) FROM (
            SELECT job, component, quality, busy_uj AS busy, idle_uj AS idle FROM job_quarter UNION ALL
            SELECT job, component, quality, -busy_uj, -idle_uj FROM job_total) x
        GROUP BY job, component, quality HAVING sum(busy) <> 0 OR sum(idle) <> 0
        """
    )
    for job, component, quality, busy, idle in rows:
        what = f"{COMPONENTS[component]} {QUALITIES[quality]}"
        yield f"job row {job}, {what}: its quarter-hours and its total differ by {busy} and {idle} µJ (busy, idle)"


def _owners(connection: Connection) -> Iterator[str]:
    day = local_day_sql(connection, connection.zone(), Window.whole())
    rows = connection.read(
        f"""
        SELECT day, owner, sum(busy), sum(idle) FROM (
            SELECT j.cluster_id, {day} + {EPOCH_DAY} AS day, j.owner, j.account, j.partition, j.project, q.component,
                   q.quality, q.busy_uj AS busy, q.idle_uj AS idle
            FROM job j {connection.dialect.joined_after} job_quarter q ON q.job = j.id UNION ALL
            SELECT cluster_id, day, owner, account, partition, project, component, quality, -busy_uj, -idle_uj
            FROM owner_day) x
        GROUP BY cluster_id, day, owner, account, partition, project, component, quality
        HAVING sum(busy) <> 0 OR sum(idle) <> 0
        """
    )
    for number, owner, busy, idle in rows:
        what = f"{date.fromordinal(number)} of {owner or 'nobody'}"
        yield f"{what}: the jobs' sum and the day's differ by {busy} and {idle} µJ (busy, idle)"


def _nodes(connection: Connection) -> Iterator[str]:
    rows = connection.read(
        """
        SELECT n.name, x.quarter, sum(x.energy) FROM (
            SELECT node_id, quarter, component, quality, busy_uj + idle_uj AS energy FROM job_quarter UNION ALL
            SELECT node_id, quarter, component, quality, -jobs_uj FROM node_quarter WHERE contained = 0) x
        JOIN node n ON n.id = x.node_id
        GROUP BY n.name, x.node_id, x.quarter, x.component, x.quality HAVING sum(x.energy) <> 0
        """
    )
    for node, quarter, energy in rows:
        when = f"{utc(quarter * QUARTER_US):%Y-%m-%d %H:%M} UTC"
        yield f"node {node}, {when}: what its jobs were charged and what it says they were differ by {energy} µJ"


def _unbalanced(connection: Connection) -> Iterator[str]:
    rows = connection.read(
        "SELECT n.name, q.quarter FROM node_quarter q JOIN node n ON n.id = q.node_id"
        " WHERE q.measured_uj <> q.jobs_uj + q.idle_uj + q.system_uj"
    )
    for node, quarter in rows:
        when = f"{utc(quarter * QUARTER_US):%Y-%m-%d %H:%M} UTC"
        yield f"node {node}, {when}: what it measured is not what was posted to jobs, idle and system"


def _idle_and_system(connection: Connection) -> Iterator[str]:
    """Compare what each node posted to idle and to system, as far as raw rows are still kept."""
    words, pruned_us = connection.dialect, int(connection.meta("pruned_us") or 0)
    sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for node, component, quality, contained, *energies in _raw_idle_and_system(connection, pruned_us):
        _add(sums[node, COMPONENT_CODE[component], QUALITY_CODE[quality], contained], energies)
    kept = connection.read(
        f"SELECT node_id, component, quality, contained, {words.sums('idle_uj', 'system_uj')} FROM node_quarter"
        " WHERE quarter >= ? GROUP BY node_id, component, quality, contained",
        (pruned_us // QUARTER_US,),
    )
    for row in kept:
        _add(sums[tuple(row[:4])], [-energy_uj for energy_uj in words.joined(row[4:])])
    for (node, component, *_), (idle_uj, system_uj) in sums.items():
        if idle_uj or system_uj:
            what = f"{idle_uj} µJ of idle and {system_uj} µJ of system energy"
            yield f"node row {node}, {COMPONENTS[component]}: its rows and its quarter-hours differ by {what}"


def _add(sums: list[int], energies: Sequence[int]) -> None:
    for i, energy_uj in enumerate(energies):
        sums[i] += energy_uj


def _raw_idle_and_system(connection: Connection, pruned_us: int) -> Iterator[tuple[Any, ...]]:
    """Yield node, component, quality, containedness, idle and system energy since what was pruned."""
    words = connection.dialect
    rows = connection.read(
        f"SELECT i.node_id, e.component, e.quality, e.contained, {words.sums('e.idle_uj', 'e.system_uj')}"
        f" FROM node_interval i JOIN energy_entry e ON {words.of_interval('e', pruned_us)}"
        " WHERE i.start_us >= ? AND e.measured_uj IS NOT NULL"
        " GROUP BY i.node_id, e.component, e.quality, e.contained",
        (pruned_us,),
    )
    for row in rows:
        yield (*row[:4], *words.joined(row[4:]))
    across = connection.read(
        "SELECT i.node_id, e.component, e.quality, e.contained, i.start_us, i.end_us, e.idle_uj, e.system_uj"
        f" FROM node_interval i JOIN energy_entry e ON {words.of_interval('e', pruned_us)}"
        " WHERE i.start_us < ? AND i.end_us > ? AND e.measured_uj IS NOT NULL",
        (pruned_us, pruned_us),
    )
    for row in across:
        for quarter, idle_uj, system_uj in quarters_of(*row[4:]):
            if quarter * QUARTER_US >= pruned_us:
                yield (*row[:4], idle_uj, system_uj)


def _weeks(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each part of a week whose sums are not what they are made of, though nothing is marked."""
    parts = [day for (day,) in connection.read("SELECT day FROM week_part WHERE changed_us IS NULL ORDER BY day")]
    for day in parts:
        part = part_of(day, connection.zone())
        if any(_differ(connection, table, part) for table in TABLES):
            yield f"{date.fromordinal(day)} and on: the sums by owner and week are not those of the quarter-hours"
    ((strange,),) = connection.read(
        "SELECT count(*) FROM (SELECT week, day FROM owner_week UNION SELECT week, day FROM owner_week_grid) x"
        " WHERE day NOT IN (SELECT day FROM week_part)"
        f" OR week <> (day - {EPOCH_DAY} + 3) / 7"
    )
    if strange:
        yield f"{strange} parts of weeks have sums by owner, and nothing was charged there"


def _differ(connection: Connection, table: str, part: Part) -> bool:
    """Say whether rows of a part are others than they should be; sums of real numbers depend on their order."""
    kept = connection.read(f"SELECT * FROM {table} WHERE week = ? AND day = ?", (part.week, part.day))
    recounted = connection.read(*made(connection.dialect, table, part, Selection()))
    if len(kept) != len(recounted):
        return True
    pairs = zip(sorted(kept, key=str), sorted(recounted, key=str), strict=True)
    return not all(_alike(*values) for rows in pairs for values in zip(*rows, strict=True))


def _alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9)
    return one == other
