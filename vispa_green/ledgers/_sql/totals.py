"""Sums by user, account, project, node, day …, made where the rows are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from typing import Any

from vispa_green.ledgers._sql.codec import COMPONENTS, QUALITIES, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import Dialect
from vispa_green.ledgers._sql.grouping import TIMES, Columns, Group, sorting, time_sql
from vispa_green.ledgers._sql.local_days import EPOCH_DAY, local_day_sql
from vispa_green.ledgers._sql.selecting import charged, of_owners
from vispa_green.ledgers._sql.week_totals import PartSums, WholeParts, whole_parts
from vispa_green.ledgers._sql.weighting import GridColumns, Grids, add_postings, coarse
from vispa_green.ledgers._sql.windows import Window, edge_postings
from vispa_green.model import (
    Component,
    Dimension,
    EnergySum,
    JobPosting,
    Quality,
    Quantity,
    Selection,
    Total,
    Weighted,
)

OWNERS = (Dimension.USER, Dimension.ACCOUNT, Dimension.PARTITION, Dimension.PROJECT)

Sums = dict[Group, dict[tuple[Component, Quality], list[int]]]
"""Busy and idle energy by group, component and quality."""


@dataclass(slots=True)
class _Tally:
    """What quarter-hours tell, by group."""

    sums: Sums = field(default_factory=dict)
    grids: Grids[Group] = field(default_factory=dict)
    jobs: Counter[Group] = field(default_factory=Counter)


def made_totals(
    connection: Connection, selection: Selection, by: tuple[Dimension, ...], zone: tzinfo, *, with_grid: bool
) -> list[Total]:
    """Return the sums, in order of their groups."""
    window = Window.of(selection)
    if not with_grid and _days_suffice(connection, selection, by, zone, window):
        of_days = dict(_together(by, _from_days(connection, selection, by), None, None))
        return [of_days[group] for group in sorted(of_days, key=sorting(by))]
    grid = coarse(connection, selection, window) if with_grid else GridColumns(())
    found: dict[Group, Total] = {}
    with connection.snapshot():
        whole = WholeParts((), (window,))
        if not with_grid or (len(grid.quantities) == len(Quantity) and selection.as_of is None):
            whole = whole_parts(connection, selection, by, zone, window)
        of_parts = PartSums(connection, selection, by, whole.parts, grid, with_grid).totals() if whole.parts else ()
        asked_grid = grid if with_grid else None
        of_rest = _from_quarters(connection, selection, by, zone, whole, asked_grid) if whole.rest else ()
        for group, total in chain(of_parts, of_rest):
            found[group] = _joined(found[group], total) if group in found else total
    return [found[group] for group in sorted(found, key=sorting(by))]


def _from_quarters(
    connection: Connection,
    selection: Selection,
    by: tuple[Dimension, ...],
    zone: tzinfo,
    whole: WholeParts,
    grid: GridColumns | None,
) -> Iterator[tuple[Group, Total]]:
    """Yield the sums of what lies in no whole part of a week, of jobs that no part has counted in the same group."""
    window, tally = Window.of(selection), _Tally()
    columns = _columns(by, zone, window, connection)
    edges = list[tuple[int, JobPosting]]()
    for rest in whole.rest:
        narrow = rest.narrowed(selection)
        _add_quarters(connection, narrow, columns, rest, grid or GridColumns(()), tally)
        edges += edge_postings(connection, narrow, rest)
    owners = _owners(connection, {job for job, _ in edges}) if set(by) & set(OWNERS) else {}

    def group_of(job: int, posting: JobPosting) -> Group:
        return tuple(_of_posting(dimension, posting, owners.get(job, {}), zone) for dimension in by)

    for job, posting in edges:
        kind = posting.component, posting.quality
        _add(tally.sums, group_of(job, posting), kind, posting.busy_uj, posting.idle_uj)
    if grid is not None:
        add_postings(connection, selection, window, edges, tally.grids, group_of)
    _count(connection, selection, columns, whole, {(group_of(*edge), edge[0]) for edge in edges}, tally.jobs)
    return _together(by, tally.sums, tally.jobs, None if grid is None else tally.grids)


def _add_quarters(
    connection: Connection,
    selection: Selection,
    columns: Columns,
    window: Window,
    grid: GridColumns,
    tally: _Tally,
) -> None:
    """Add energies and grids of the whole quarter-hours in a window."""
    words = connection.dialect
    source, values = _source(words, selection, window, columns, grid.joins)
    sums, end = ", ".join((words.sums("q.busy_uj", "q.idle_uj"), *grid.sums)), columns.width + 2 + words.width(2)
    rows = connection.read(
        f"{grid.before}SELECT {columns.text}, q.component, q.quality, {sums}{source}"
        f" GROUP BY q.component, q.quality, {columns.text}",
        [*grid.values, *values],
    )
    for row in rows:
        group = columns.group(row)
        component, quality, *energies = row[columns.width : end]
        _add(tally.sums, group, (COMPONENTS[component], QUALITIES[quality]), *words.joined(energies))
        own = tally.grids.setdefault(group, {})
        for quantity, weighted in grid.read(row[end:]).items():
            own[quantity] = own.get(quantity, Weighted()) + weighted


def _count(
    connection: Connection,
    selection: Selection,
    columns: Columns,
    whole: WholeParts,
    others: set[tuple[Group, int]],
    jobs: Counter[Group],
) -> None:
    """Add how many jobs each group is made of; ``others`` has those at the edges of the window.

    Where whole parts have counted theirs already, those of the rest are others, too.
    """
    if whole.parts:
        counted = Window.of_quarters(*whole.quarters)
        for rest in whole.rest:
            distinct, values = _distinct(connection.dialect, rest.narrowed(selection), columns, rest)
            others |= {(columns.group(row), row[-1]) for row in connection.read(distinct, values)}
    else:
        (counted,) = whole.rest
        distinct, values = _distinct(connection.dialect, selection, columns, counted)
        names = ", ".join(f"c{i}" for i in range(columns.width))
        rows = connection.read(
            f"WITH d ({names}, job) AS ({distinct}) SELECT {names}, count(*) FROM d GROUP BY {names}", values
        )
        jobs.update({columns.group(row): row[-1] for row in rows})
    if others:
        distinct, values = _distinct(connection.dialect, counted.narrowed(selection), columns, counted)
        among = json.dumps(sorted({job for _, job in others}))
        again = connection.read(f"{distinct} AND j.id {connection.dialect.numbers}", [*values, among])
        jobs.update(group for group, _ in others - {(columns.group(row), row[-1]) for row in again})


def _distinct(words: Dialect, selection: Selection, columns: Columns, window: Window) -> tuple[str, list[object]]:
    """Return the query for the jobs of each group in whole quarter-hours, and its values."""
    source, values = _source(words, selection, window, columns)
    return f"SELECT DISTINCT {columns.text}, q.job AS job{source}", values


def _source(
    words: Dialect, selection: Selection, window: Window, columns: Columns, joins: str = ""
) -> tuple[str, list[object]]:
    where, values = charged(words, selection)
    nodes = " JOIN node n ON n.id = q.node_id" if Dimension.NODE in columns.by else ""
    source = (
        f" FROM job j {words.joined_after} job_quarter q ON q.job = j.id{nodes}"
        f" JOIN cluster c ON c.id = j.cluster_id{joins} WHERE {where} AND q.quarter >= ? AND q.quarter < ?"
    )
    return source, [*values, *window.quarters]


def _from_days(connection: Connection, selection: Selection, by: tuple[Dimension, ...]) -> Sums:
    """Sum the roll-up of days: as good for whole days of its zone, and much smaller."""
    names = {Dimension.CLUSTER: "c.name", Dimension.USER: "d.owner", Dimension.COMPONENT: "d.component"}
    day, words = f"(d.day - {EPOCH_DAY})", connection.dialect
    sql = [names.get(one) or (time_sql(words, one, day) if one in TIMES else f"d.{one}") for one in by]
    columns = Columns(by, tuple(sql))
    where, values = _where_of_days(connection, selection)
    rows = connection.read(
        f"SELECT {columns.text}, d.component, d.quality, {words.sums('d.busy_uj', 'd.idle_uj')} FROM owner_day d"
        f" JOIN cluster c ON c.id = d.cluster_id WHERE {where} GROUP BY d.component, d.quality, {columns.text}",
        values,
    )
    sums: Sums = {}
    for row in rows:
        component, quality, *energies = row[columns.width :]
        _add(sums, columns.group(row), (COMPONENTS[component], QUALITIES[quality]), *words.joined(energies))
    return sums


def _add(sums: Sums, group: Group, kind: tuple[Component, Quality], busy_uj: int, idle_uj: int) -> None:
    own = sums.setdefault(group, {}).setdefault(kind, [0, 0])
    own[0] += busy_uj
    own[1] += idle_uj


def _where_of_days(connection: Connection, selection: Selection) -> tuple[str, list[object]]:
    where, values = of_owners(connection.dialect, selection, "d")
    zone = connection.zone()
    for moment, sign in ((selection.start, ">="), (selection.end, "<")):
        if moment is not None:
            where += f" AND d.day {sign} ?"
            values.append(moment.astimezone(zone).toordinal())
    return where, values


def _days_suffice(
    connection: Connection, selection: Selection, by: tuple[Dimension, ...], zone: tzinfo, window: Window
) -> bool:
    if str(zone) != str(connection.zone()) or selection.job_ids or selection.keys:
        return False
    if not set(by) <= {Dimension.CLUSTER, *OWNERS, Dimension.COMPONENT, *TIMES}:
        return False
    edges = [moment for moment in (window.start_us, window.end_us) if moment is not None]
    return all(_is_midnight(utc(moment), zone) for moment in edges)


def _is_midnight(moment: datetime, zone: tzinfo) -> bool:
    here = moment.astimezone(zone)
    return datetime(here.year, here.month, here.day, tzinfo=zone).astimezone(UTC) == moment


def _columns(by: tuple[Dimension, ...], zone: tzinfo, window: Window, connection: Connection) -> Columns:
    words = connection.dialect
    names = {
        Dimension.CLUSTER: "c.name", Dimension.NODE: "n.name", Dimension.COMPONENT: "q.component",
        Dimension.USER: words.unindexed.format("j.owner"), Dimension.ACCOUNT: words.unindexed.format("j.account"),
        Dimension.PARTITION: words.unindexed.format("j.partition"),
        Dimension.PROJECT: words.unindexed.format("j.project"),
        Dimension.JOB: words.json_list.format("c.name, j.job_id, j.submitted_us"),
    }  # fmt: skip
    day = local_day_sql(connection, zone, window) if set(by) & set(TIMES) else ""
    return Columns(by, tuple(names.get(one) or time_sql(words, one, day) for one in by))


def _of_posting(dimension: Dimension, posting: JobPosting, owner: dict[str, str], zone: tzinfo) -> Any:  # noqa: ANN401
    day = posting.start.astimezone(zone).date()
    simple: dict[Dimension, Callable[[], Any]] = {
        Dimension.CLUSTER: lambda: posting.key.cluster,
        Dimension.JOB: lambda: posting.key,
        Dimension.NODE: lambda: posting.node,
        Dimension.COMPONENT: lambda: posting.component.value,
        Dimension.DAY: lambda: day,
        Dimension.WEEK: lambda: day - timedelta(days=day.weekday()),
        Dimension.MONTH: lambda: day.replace(day=1),
    }
    return simple[dimension]() if dimension in simple else owner.get(dimension, "")


def _owners(connection: Connection, jobs: set[int]) -> dict[int, dict[str, str]]:
    rows = connection.read(
        f"SELECT id, owner, account, partition, project FROM job WHERE id {connection.dialect.numbers}",
        (json.dumps(sorted(jobs)),),
    )
    return {job: dict(zip(OWNERS, rest, strict=True)) for job, *rest in rows}


def _together(
    by: tuple[Dimension, ...],
    sums: Sums,
    jobs: Mapping[Group, int] | None,
    grid: Grids[Group] | None,
) -> Iterator[tuple[Group, Total]]:
    for group, own in sums.items():
        yield (
            group,
            Total(
                dict(zip(by, group, strict=True)),
                tuple(EnergySum(component, quality, *pair) for (component, quality), pair in own.items()),
                None if jobs is None else jobs.get(group, 0),
                None if grid is None else grid.get(group, {}),
            ),
        )


def _joined(one: Total, other: Total) -> Total:
    """Return the sum of two sums of one group, whose jobs are different ones."""
    kinds: dict[tuple[Component, Quality], EnergySum] = {}
    for part in (*one.sums, *other.sums):
        before = kinds.get((part.component, part.quality), EnergySum(part.component, part.quality, 0, 0))
        kinds[part.component, part.quality] = replace(
            before, busy_uj=before.busy_uj + part.busy_uj, idle_uj=before.idle_uj + part.idle_uj
        )
    grid = None if one.grid is None else dict(one.grid)
    for quantity, weighted in (other.grid or {}).items():
        if grid is not None:
            grid[quantity] = grid.get(quantity, Weighted()) + weighted
    return Total(one.group, tuple(kinds.values()), (one.jobs or 0) + (other.jobs or 0), grid)
