"""Sums by user, account, project, node, day …, made where the rows are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from vispa_green.ledgers._sql.codec import COMPONENTS, QUALITIES, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.dialect import Dialect
from vispa_green.ledgers._sql.local_days import EPOCH_DAY, local_day_sql
from vispa_green.ledgers._sql.selecting import charged
from vispa_green.ledgers._sql.weighting import GridColumns, Grids, add_postings, coarse
from vispa_green.ledgers._sql.windows import Window, edge_postings
from vispa_green.model import Component, Dimension, EnergySum, JobKey, JobPosting, Quality, Selection, Total, Weighted

TIMES = (Dimension.DAY, Dimension.WEEK, Dimension.MONTH)
OWNERS = (Dimension.USER, Dimension.ACCOUNT, Dimension.PARTITION, Dimension.PROJECT)

Group = tuple[Any, ...]
Sums = dict[Group, dict[tuple[Component, Quality], list[int]]]
"""Busy and idle energy by group, component and quality."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """How rows are put into groups: SQL expressions, and what their values mean."""

    by: tuple[Dimension, ...]
    sql: tuple[str, ...]
    zone: tzinfo

    @property
    def text(self) -> str:
        """The expressions, one after the other."""
        return ", ".join(self.sql) or "CAST('all' AS TEXT)"

    @property
    def width(self) -> int:
        """How many they are."""
        return max(1, len(self.sql))

    def group(self, row: Sequence[Any]) -> Group:
        """Return the group that SQL values stand for."""
        return tuple(_meaning(dimension, value) for dimension, value in zip(self.by, row, strict=False))


def made_totals(
    connection: Connection, selection: Selection, by: tuple[Dimension, ...], zone: tzinfo, *, with_grid: bool
) -> list[Total]:
    """Return the sums, in order of their groups."""
    window = Window.of(selection)
    if not with_grid and _days_suffice(connection, selection, by, zone, window):
        return _put_together(by, _from_days(connection, selection, by), None, None)
    columns = _columns(by, zone, window, connection)
    grid = coarse(connection) if with_grid else GridColumns(())
    sums, grids = _from_quarters(connection, selection, columns, window, grid)
    edges = list(edge_postings(connection, selection, window))
    owners = _owners(connection, {job for job, _ in edges}) if set(by) & set(OWNERS) else {}

    def group_of(job: int, posting: JobPosting) -> Group:
        return tuple(_of_posting(dimension, posting, owners.get(job, {}), zone) for dimension in by)

    for job, posting in edges:
        _add(sums, group_of(job, posting), (posting.component, posting.quality), posting.busy_uj, posting.idle_uj)
    if with_grid:
        add_postings(connection, selection, window, edges, grids, group_of)
    jobs = _counted(connection, selection, columns, window, {(group_of(*edge), edge[0]) for edge in edges})
    return _put_together(by, sums, jobs, grids if with_grid else None)


def _from_quarters(
    connection: Connection, selection: Selection, columns: _Columns, window: Window, grid: GridColumns
) -> tuple[Sums, Grids[Group]]:
    """Return energies and grids by group, of the whole quarter-hours in the window."""
    words = connection.dialect
    source, values = _source(words, selection, window, grid.joins)
    rows = connection.read(
        f"SELECT {columns.text}, q.component, q.quality, {words.sums('q.busy_uj', 'q.idle_uj')}{grid.sums}{source}"
        f" GROUP BY q.component, q.quality, {columns.text}",
        values,
    )
    sums: Sums = {}
    grids: Grids[Group] = {}
    for row in rows:
        end = columns.width + 2 + words.width(2)
        group, known = columns.group(row), row[end:]
        component, quality, *energies = row[columns.width : end]
        _add(sums, group, (COMPONENTS[component], QUALITIES[quality]), *words.joined(energies))
        own = grids.setdefault(group, {})
        for quantity, weighted in grid.read(known):
            own[quantity] = own.get(quantity, Weighted()) + weighted
    return sums, grids


def _counted(
    connection: Connection, selection: Selection, columns: _Columns, window: Window, edges: set[tuple[Group, int]]
) -> Counter[Group]:
    """Return how many jobs each group is made of; ``edges`` has those at the edges of the window."""
    source, values = _source(connection.dialect, selection, window)
    distinct = f"SELECT DISTINCT {columns.text}, q.job AS job{source}"
    names = ", ".join(f"c{i}" for i in range(columns.width))
    rows = connection.read(
        f"WITH d ({names}, job) AS ({distinct}) SELECT {names}, count(*) FROM d GROUP BY {names}", values
    )
    counts = Counter({columns.group(row): row[-1] for row in rows})
    if edges:
        at_edges = json.dumps(sorted({job for _, job in edges}))
        again = connection.read(f"{distinct} AND j.id {connection.dialect.numbers}", [*values, at_edges])
        counts.update(group for group, _ in edges - {(columns.group(row), row[-1]) for row in again})
    return counts


def _source(words: Dialect, selection: Selection, window: Window, joins: str = "") -> tuple[str, list[object]]:
    where, values = charged(words, selection)
    source = (
        f" FROM job j {words.joined_after} job_quarter q ON q.job = j.id JOIN node n ON n.id = q.node_id"
        f" JOIN cluster c ON c.id = j.cluster_id{joins} WHERE {where} AND q.quarter >= ? AND q.quarter < ?"
    )
    return source, [*values, *window.quarters]


def _from_days(connection: Connection, selection: Selection, by: tuple[Dimension, ...]) -> Sums:
    """Sum the roll-up of days: as good for whole days of its zone, and much smaller."""
    names = {Dimension.CLUSTER: "c.name", Dimension.USER: "d.owner", Dimension.COMPONENT: "d.component"}
    day = f"(d.day - {EPOCH_DAY})"
    words = connection.dialect
    sql = [names.get(one) or (_time_sql(words, one, day) if one in TIMES else f"d.{one}") for one in by]
    columns = _Columns(by, tuple(sql), UTC)
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
    timeless = Selection(
        clusters=selection.clusters, users=selection.users, uids=selection.uids, accounts=selection.accounts,
        partitions=selection.partitions, projects=selection.projects, visible=selection.visible,
    )  # fmt: skip
    where, values = charged(connection.dialect, timeless)
    where = where.replace("j.same_as IS NULL", "1 = 1").replace("j.", "d.")
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


def _columns(by: tuple[Dimension, ...], zone: tzinfo, window: Window, connection: Connection) -> _Columns:
    words = connection.dialect
    names = {
        Dimension.CLUSTER: "c.name", Dimension.NODE: "n.name", Dimension.COMPONENT: "q.component",
        Dimension.USER: words.unindexed.format("j.owner"), Dimension.ACCOUNT: words.unindexed.format("j.account"),
        Dimension.PARTITION: words.unindexed.format("j.partition"),
        Dimension.PROJECT: words.unindexed.format("j.project"),
        Dimension.JOB: words.json_list.format("c.name, j.job_id, j.submitted_us"),
    }  # fmt: skip
    day = local_day_sql(connection, zone, window) if set(by) & set(TIMES) else ""
    return _Columns(by, tuple(names.get(one) or _time_sql(words, one, day) for one in by), zone)


def _time_sql(words: Dialect, dimension: Dimension, day: str) -> str:
    if dimension is Dimension.DAY:
        return day
    if dimension is Dimension.WEEK:  # 1970-01-01 was a Thursday
        return f"(({day} + 3) / 7)"
    return words.month.format(day)


def _meaning(dimension: Dimension, value: Any) -> Any:  # noqa: ANN401 - what SQL gives
    if dimension is Dimension.DAY:
        return date.fromordinal(EPOCH_DAY + value)
    if dimension is Dimension.WEEK:
        return date.fromordinal(EPOCH_DAY + 7 * value - 3)
    if dimension is Dimension.MONTH:
        return date.fromisoformat(f"{value}-01")
    if dimension is Dimension.COMPONENT:
        return COMPONENTS[value].value
    if dimension is Dimension.JOB:
        cluster, job_id, submitted = json.loads(value)
        return JobKey(cluster, job_id, None if submitted is None else utc(submitted))
    return value


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


def _put_together(
    by: tuple[Dimension, ...],
    sums: Sums,
    jobs: Mapping[Group, int] | None,
    grid: Grids[Group] | None,
) -> list[Total]:
    return [
        Total(
            dict(zip(by, group, strict=True)),
            tuple(EnergySum(component, quality, *pair) for (component, quality), pair in own.items()),
            None if jobs is None else jobs.get(group, 0),
            None if grid is None else grid.get(group, {}),
        )
        for group, own in sorted(sums.items(), key=lambda item: tuple(map(str, item[0])))
    ]
