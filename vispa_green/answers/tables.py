"""Answers as flat tables: which columns they have, whatever the rows; units in the names, real types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vispa_green.answers.totals import GroupTotal
from vispa_green.energy.carbon import Carbon
from vispa_green.energy.jobs import JobEnergy
from vispa_green.energy.parts import EnergyParts
from vispa_green.errors import UsageError
from vispa_green.model import Dimension, GridValue, JobKey
from vispa_green.shifting.promises import Outcome

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")
Columns = Mapping[str, Callable[[Row], object]]

PARTS: Mapping[str, Callable[[EnergyParts], int]] = {
    "cpu_energy_uj": lambda parts: parts.cpu_uj,
    "dram_energy_uj": lambda parts: parts.dram_uj,
    "gpu_energy_uj": lambda parts: parts.gpu_uj,
    "node_energy_uj": lambda parts: parts.node_uj,
    "idle_energy_uj": lambda parts: parts.idle_uj,
    "energy_uj": lambda parts: parts.total_uj,
}


def _part(of: Callable[[EnergyParts], int]) -> Callable[[JobEnergy | GroupTotal], int | None]:
    return lambda row: None if row.parts is None else of(row.parts)


FIGURES: Columns[JobEnergy | GroupTotal] = {
    **{name: _part(of) for name, of in PARTS.items()},
    "co2_g": lambda row: row.grid.co2_g,
    "co2_coverage": lambda row: row.grid.co2_coverage,
    "renewable_share_pct": lambda row: row.grid.renewable_share_pct,
    "quality": lambda row: None if row.quality is None else row.quality.value,
}

JOBS: Columns[JobEnergy] = {
    "cluster": lambda row: row.key.cluster,
    "job_id": lambda row: row.display_id,
    "job_id_raw": lambda row: row.job_id,
    "submit": lambda row: row.submit,
    "start": lambda row: row.start,
    "end": lambda row: row.end,
    "elapsed": lambda row: row.elapsed,
    "user": lambda row: row.user,
    "account": lambda row: row.account,
    "partition": lambda row: row.partition,
    "project": lambda row: row.project,
    "name": lambda row: row.name,
    "state": lambda row: row.state,
    "nodes": lambda row: ",".join(row.nodes),
    "cpus": lambda row: row.cpus,
    **FIGURES,
    "cpu_time_ns": lambda row: row.cpu_time_ns,
    "cpu_efficiency": lambda row: row.cpu_efficiency,
    "memory_mib": lambda row: row.memory_mib,
    "peak_memory_mib": lambda row: row.peak_memory_mib,
    "coverage": lambda row: row.coverage,
}

GRID: Columns[GridValue] = {
    "quantity": lambda value: value.quantity.value,
    "kind": lambda value: value.kind.value,
    "start": lambda value: value.start,
    "end": lambda value: value.end,
    "value": lambda value: value.value,
    "source": lambda value: value.source,
    "issued_at": lambda value: value.issued_at,
}


def totals_by(dimensions: Sequence[Dimension]) -> Columns[GroupTotal]:
    """Return the columns of sums by these; a job is told by its cluster, number and submission."""
    groups: dict[str, Callable[[GroupTotal], object]] = {}
    for dimension in dimensions:
        if dimension is Dimension.JOB:
            groups |= {
                "cluster": lambda row: _key(row).cluster,
                "job_id": lambda row: _key(row).job_id,
                "submit": lambda row: _key(row).submitted,
            }
        else:
            groups[dimension.value] = lambda row, of=dimension: row.group[of]  # type: ignore[misc]
    return {**groups, "jobs": lambda row: row.jobs, **FIGURES}


def _key(row: GroupTotal) -> JobKey:
    key = row.group[Dimension.JOB]
    assert isinstance(key, JobKey)
    return key


def green_jobs(outcomes: Sequence[Outcome], shown: Sequence[str]) -> Columns[Outcome]:
    """Return the columns of what came of promises, of which ``shown`` are the ids that users know."""
    ids = {one.promise: text for one, text in zip(outcomes, shown, strict=True)}
    return {
        "cluster": lambda found: found.promise.cluster,
        "job_id": lambda found: ids[found.promise],
        "user": lambda found: found.promise.user,
        "submitted": lambda found: found.promise.submitted,
        "planned_start": lambda found: found.promise.planned_start,
        "last_planned_start": lambda found: found.planned,
        "start": lambda found: found.start,
        "end": lambda found: found.end,
        "finish_by": lambda found: found.promise.finish_by,
        "quantity": lambda found: found.promise.quantity.value,
        "forecast_mean": lambda found: found.promise.mean,
        "measured_mean": lambda found: found.measured_mean,
        "energy_uj": lambda found: found.energy_uj,
        "co2_g": lambda found: _grams(found.actual),
        "co2_if_started_at_submission_g": lambda found: (
            None if found.at_submission is None else found.at_submission.grams
        ),
        "saved_g": lambda found: found.saved_g,
        "verdict": lambda found: found.verdict.value,
    }


def _grams(carbon: Carbon | None) -> float | None:
    return None if carbon is None else carbon.grams


_COUNTS = ("_uj", "_ns", "_mib", "cpus", "jobs")
_TIMES = ("submit", "start", "end", "submitted", "planned_start", "last_planned_start", "finish_by", "issued_at")
_FLOATS = ("_g", "_pct", "coverage", "efficiency", "value", "_mean")


def table(rows: Sequence[Row], columns: Columns[Row]) -> pd.DataFrame:
    """Return a DataFrame whose columns have real types, also where nothing is known or there are no rows.

    Raises `UsageError` where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError("pandas is not installed: pip install 'vispa-green[notebook]'") from error

    made: dict[str, Any] = {}
    for name, of in columns.items():
        values = [of(row) for row in rows]
        if name in _TIMES:
            made[name] = pd.to_datetime(pd.Series(values, dtype="object"), utc=True).astype("datetime64[us, UTC]")
        elif name in {"day", "week", "month"}:
            made[name] = pd.to_datetime(pd.Series(values, dtype="object")).astype("datetime64[s]")
        elif name == "elapsed":
            made[name] = pd.to_timedelta(pd.Series(values, dtype="object")).astype("timedelta64[us]")
        elif name.endswith(_COUNTS):
            made[name] = pd.array(values, dtype="Int64")
        elif name.endswith(_FLOATS):
            made[name] = pd.array(values, dtype="Float64")
        else:
            made[name] = pd.array(values, dtype="string")
    return pd.DataFrame(made)
