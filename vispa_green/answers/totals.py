"""Sums by user, account, project, node, day …: what was charged within a span, so that adjacent spans add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo

from vispa_green.answers.asking import for_asker
from vispa_green.answers.background import completed
from vispa_green.answers.jobs import JobChoice, asked_slurm, kept, open_account
from vispa_green.answers.projects import by_whole_projects
from vispa_green.energy.parts import EnergyParts, GridFigures, energy_parts, worst
from vispa_green.host import user_name
from vispa_green.model import Dimension, JobKey, Ledger, Quality, Selection, Total
from vispa_green.session import Session


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """One sum, ready to be told. ``co2_g`` and the like are ``None`` where the grid was not asked for or unknown."""

    group: Mapping[Dimension, str | date | JobKey]
    parts: EnergyParts
    quality: Quality | None
    grid: GridFigures
    jobs: int | None


@dataclass(frozen=True, slots=True)
class TotalAnswer:
    """The sums, and what went wrong on the way as lines for the reader."""

    rows: tuple[GroupTotal, ...]
    warnings: tuple[str, ...] = ()


def totals(
    session: Session, choice: JobChoice, by: Sequence[Dimension], zone: tzinfo, *, with_grid: bool = True
) -> TotalAnswer:
    """Return what the chosen jobs were charged within ``[start, end)``, summed by some dimensions."""
    ledger = open_account(session)
    try:
        warnings: list[str] = []
        warnings += kept(ledger, session, asked_slurm(session, ledger, choice, warnings).facts)
        selection = for_asker(session, choice.selection)
        if with_grid and choice.start is not None:
            end = session.now.utc if choice.end is None else min(choice.end, session.now.utc)
            if choice.start < end:
                warnings += completed(session, ledger, choice.start, end)[0]
        found = summed(ledger, selection, by, zone, with_grid=with_grid)
    finally:
        ledger.close()
    return TotalAnswer(tuple(map(told, found)), tuple(warnings))


def summed(
    ledger: Ledger, selection: Selection, by: Sequence[Dimension], zone: tzinfo, *, with_grid: bool
) -> list[Total]:
    """Return the ledger's sums with those of jobs that several projects share in their parts."""
    by_project = Dimension.PROJECT in by
    if not by_project and not selection.projects:
        return ledger.energy.totals(selection, by, zone, with_grid=with_grid)
    asked = by if by_project else (*by, Dimension.PROJECT)
    found = ledger.energy.totals(selection, asked, zone, with_grid=with_grid)
    return by_whole_projects(found, selection.projects, keep=by_project)


def told(total: Total) -> GroupTotal:
    """Return a sum with its parts, its grid and the names of users."""
    parts = energy_parts(total.sums)
    group = total.group
    owner = group.get(Dimension.USER)
    if isinstance(owner, str) and owner.startswith("uid:"):
        group = {**group, Dimension.USER: user_name(int(owner.removeprefix("uid:")))}
    grid = GridFigures.of(total.grid or {}, parts.total_uj)
    return GroupTotal(group, parts, worst(one.quality for one in total.sums), grid, total.jobs)
