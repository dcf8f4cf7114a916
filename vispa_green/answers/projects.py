"""Projects: what Slurm's facts say of them by the site's rules, tags afterwards, and sums of split jobs in parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vispa_green.energy.projects import parts_of, split_grid, split_sums, told_project
from vispa_green.model import Dimension, EnergySum, JobFact, Quantity, Total, Weighted
from vispa_green.session import Session

Group = tuple[object, ...]


def with_projects(session: Session, facts: Iterable[JobFact]) -> list[JobFact]:
    """Return facts with the project that each job was submitted for."""
    rules, from_comment = session.config.projects.pairs, session.config.projects.from_comment
    return [replace(fact, project=told_project(fact, rules, from_comment=from_comment)) for fact in facts]


def by_whole_projects(totals: Sequence[Total], projects: Sequence[str], *, keep: bool) -> list[Total]:
    """Return sums by project with those of split jobs in parts, each added to the sum of its project.

    Only ``projects`` are left in, all where none is named; the project itself goes out of the groups unless
    ``keep``. Of a job that is split, each part counts as one job.
    """
    found: dict[Group, Total] = {}
    for total in totals:
        parts = parts_of(str(total.group[Dimension.PROJECT]))
        grids = [None] * len(parts) if total.grid is None else split_grid(total.grid, parts)
        for (project, _), sums, grid in zip(parts, split_sums(total.sums, parts), grids, strict=True):
            if projects and project not in projects:
                continue
            group = {**total.group, Dimension.PROJECT: project}
            if not keep:
                del group[Dimension.PROJECT]
            part = Total(group, sums, total.jobs, grid)
            key = tuple(group.values())
            found[key] = _added(found[key], part) if key in found else part
    return sorted(found.values(), key=lambda one: tuple(str(value) for value in one.group.values()))


def _added(one: Total, other: Total) -> Total:
    sums: dict[tuple[object, object], EnergySum] = {}
    for own in (*one.sums, *other.sums):
        kind = own.component, own.quality
        before = sums.get(kind, EnergySum(own.component, own.quality, 0, 0))
        sums[kind] = EnergySum(own.component, own.quality, before.busy_uj + own.busy_uj, before.idle_uj + own.idle_uj)
    jobs = None if one.jobs is None or other.jobs is None else one.jobs + other.jobs
    if one.grid is None or other.grid is None:
        return Total(one.group, tuple(sums.values()), jobs, None)
    grid: dict[Quantity, Weighted] = dict(one.grid)
    for quantity, weighted in other.grid.items():
        grid[quantity] = grid.get(quantity, Weighted()) + weighted
    return Total(one.group, tuple(sums.values()), jobs, grid)
