"""How ``vispa-green energy --by`` names what it sums by, and prints the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import click

from vispa_green.answers.totals import GroupTotal, TotalAnswer
from vispa_green.cli._output import print_json, stamp
from vispa_green.errors import UsageError, did_you_mean
from vispa_green.model import Dimension, JobKey
from vispa_green.printable import csv_cell, printable
from vispa_green.units import UJ_PER_J, energy_text, mass_text

GroupNames = Mapping[Dimension, str | date | JobKey]
FIGURES = ("Jobs", "Energy", "CO2", "Renewable")


def dimensions(text: str) -> tuple[Dimension, ...]:
    """Return what ``user,week`` names; raise `UsageError` for anything else."""
    found: list[Dimension] = []
    for word in (item.strip().lower() for item in text.split(",")):
        if word not in set(Dimension):
            known = [str(one) for one in Dimension]
            raise UsageError(f"--by {word!r}: no such sum{did_you_mean(word, known)}; there are {', '.join(known)}")
        if Dimension(word) not in found:
            found.append(Dimension(word))
    return tuple(found)


def print_totals(answer: TotalAnswer, *, as_json: bool, parsable: bool) -> None:
    """Print the sums as JSON, delimited in J and g, or as a table."""
    rows = answer.rows
    if as_json:
        print_json({"totals": [_record(row) for row in rows], "warnings": list(answer.warnings)})
        return
    if not rows:
        click.echo("Nothing was charged in this time; -S widens it, -a shows all users.")
        return
    head = [*(one.value.capitalize() for one in rows[0].group), *FIGURES]
    if parsable:
        for line in [head, *(_cells(row, raw=True) for row in rows)]:
            click.echo("|".join(csv_cell(cell, "|") for cell in line))
        return
    lines = [head, *(_cells(row, raw=False) for row in rows)]
    click.echo(aligned(lines, len(rows[0].group)))


def group_record(group: GroupNames) -> dict[str, Any]:
    """Return what a sum is of, for JSON."""
    found: dict[str, Any] = {}
    for dimension, value in group.items():
        if isinstance(value, JobKey):
            found |= {"cluster": value.cluster, "job_id": value.job_id, "submit": stamp(value.submitted)}
        else:
            found[dimension.value] = value.isoformat() if isinstance(value, date) else value
    return found


def group_cells(group: GroupNames) -> list[str]:
    """Return what a sum is of, for a table."""
    return [_name(dimension, value) for dimension, value in group.items()]


def aligned(lines: Sequence[Sequence[str]], names: int) -> str:
    """Return a table whose first columns are names, on the left, and the others figures, on the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    form = "  ".join(f"{{:{'<' if i < names else '>'}{width}}}" for i, width in enumerate(widths))
    return "\n".join(form.format(*line).rstrip() for line in lines)


def _record(row: GroupTotal) -> dict[str, Any]:
    """Return a sum for JSON: energies are integers of µJ, CO2 is in g; ``null`` is unknown."""
    return {
        **group_record(row.group),
        "jobs": row.jobs,
        "cpu_energy_uj": row.parts.cpu_uj,
        "dram_energy_uj": row.parts.dram_uj,
        "gpu_energy_uj": row.parts.gpu_uj,
        "node_energy_uj": row.parts.node_uj,
        "idle_energy_uj": row.parts.idle_uj,
        "energy_uj": row.parts.total_uj,
        "co2_g": row.grid.co2_g,
        "co2_coverage": row.grid.co2_coverage,
        "renewable_share_pct": row.grid.renewable_share_pct,
        "quality": row.quality,
    }


def _cells(row: GroupTotal, *, raw: bool) -> list[str]:
    names = group_cells(row.group)
    share = row.grid.renewable_share_pct
    jobs = "" if row.jobs is None else str(row.jobs)
    if raw:
        co2 = "" if row.grid.co2_g is None else f"{row.grid.co2_g:.6f}"
        return [*names, jobs, f"{row.parts.total_uj / UJ_PER_J:.6f}", co2, "" if share is None else f"{share:.2f}"]
    renewable = "–" if share is None else f"{share:.0f} %"
    return [*names, jobs, energy_text(row.parts.total_uj), mass_text(row.grid.co2_g), renewable]


def _name(dimension: Dimension, value: str | date | JobKey) -> str:
    if isinstance(value, JobKey):
        return value.job_id
    if isinstance(value, date):
        return _time_name(dimension, value)
    return printable(value) or "–"


@cache  # of many rows few are different
def _time_name(dimension: Dimension, day: date) -> str:
    if dimension is Dimension.WEEK:
        return f"{day:%G-W%V}"
    return f"{day:%Y-%m}" if dimension is Dimension.MONTH else day.isoformat()
