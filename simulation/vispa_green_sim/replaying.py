"""One run for people: read, play, print. What ``vispa-green simulate replay`` does."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vispa_green.errors import UsageError
from vispa_green_sim.engine import simulate
from vispa_green_sim.inputs import INPUTS, Options, read_workload
from vispa_green_sim.machine import Machine
from vispa_green_sim.result import Run, Statistics, statistics, write_schedule
from vispa_green_sim.scheduling import SCHEDULERS
from vispa_green_sim.workload import Workload


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command."""

    file: Path
    format_name: str | None
    processors: int | None
    scheduler: str
    schedule: Path | None
    as_json: bool


def play(request: Request) -> None:
    """Play a workload, write its schedule if asked for, and print its figures; remarks go to stderr."""
    if request.format_name is not None:
        INPUTS.load(request.format_name)  # a typo is told before a long file is read
    SCHEDULERS.load(request.scheduler)
    workload = read_workload(request.file, Options(request.processors), request.format_name)
    for remark in workload.remarks:
        click.echo(f"warning: {request.file.name}: {remark}", err=True)
    machine = Machine.of_processors(request.processors or _size(workload, request.file))
    run = simulate(workload, machine, request.scheduler, progress=_show if sys.stderr.isatty() else None)
    if request.schedule is not None:
        _write(run, request.schedule)
    figures = statistics(run)
    click.echo(json.dumps(_record(run, figures), indent=2) if request.as_json else _table(run, figures))


def _size(workload: Workload, file: Path) -> int:
    if workload.machine_processors is None:
        raise UsageError(f"{file}: the file does not say how large the machine is; give --processors P")
    return workload.machine_processors


def _write(run: Run, path: Path) -> None:
    try:
        write_schedule(run, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another --schedule") from None


def _show(done: int, jobs: int) -> None:
    click.echo(f"\r{done:,} of {jobs:,} jobs ({100 * done // jobs} %)", nl=done == jobs, err=True)


def _record(run: Run, figures: Statistics) -> dict[str, Any]:
    return {
        "meta": {"version": 1},
        "workload": run.workload.name,
        "policy": run.scheduler,
        "processors": run.machine.processors,
        **dataclasses.asdict(figures),
        "remarks": [dataclasses.asdict(remark) for remark in run.workload.remarks],
    }


def _table(run: Run, figures: Statistics) -> str:
    rows = (
        ("workload", f"{run.workload.name}: {figures.jobs:,} jobs on {run.machine.processors:,} processors"),
        ("scheduler", run.scheduler),
        ("wait, mean", _number(figures.mean_wait_s, 0, " s")),
        ("wait, median", _number(figures.median_wait_s, 0, " s")),
        ("wait, 95 % below", _number(figures.p95_wait_s, 0, " s")),
        ("wait, longest", _number(figures.max_wait_s, 0, " s")),
        ("bounded slowdown", _number(figures.mean_bounded_slowdown, 2)),
        ("slowdown", _number(figures.mean_slowdown, 2)),
        ("makespan", _number(figures.makespan_s, 0, " s")),
        ("utilisation", _number(None if figures.utilisation is None else 100 * figures.utilisation, 2, " %")),
    )
    return "\n".join(f"{name:<18}{value}" for name, value in rows)


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:,.{digits}f}{unit}"
