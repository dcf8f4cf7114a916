"""The columns of ``vispa-green energy``, under the names and with the widths of ``sacct`` where it has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from vispa_green.energy.jobs import JobEnergy
from vispa_green.energy.parts import EnergyParts
from vispa_green.errors import UsageError, did_you_mean
from vispa_green.printable import csv_cell, printable
from vispa_green.units import UJ_PER_J, duration_text, energy_text, mass_text, percent_text

Show = Callable[[JobEnergy, tzinfo], str]


@dataclass(frozen=True, slots=True)
class Field:
    """A column: ``show`` for people, ``raw`` in base units for programs. A negative width aligns left."""

    name: str
    width: int
    show: Show
    raw: Show
    about: str


def chosen_fields(text: str, known: Mapping[str, Field]) -> list[Field]:
    """Return the columns that ``text``, e.g. ``jobid,energy%12``, asks for; raise `UsageError` for an unknown one."""
    found: list[Field] = []
    for item in text.split(","):
        name, _, width = item.strip().partition("%")
        field = known.get(name.lower())
        if field is None:
            hint = did_you_mean(name.lower(), list(known))
            raise UsageError(f"no field called {name!r}{hint}; --helpformat lists them")
        if width and not width.removeprefix("-").isdigit():
            raise UsageError(f"{item!r}: the width after % is a whole number, as in energy%12")
        found.append(replace(field, width=int(width)) if width else field)
    return found


def with_room_for_ids(fields: Sequence[Field], rows: Sequence[JobEnergy]) -> list[Field]:
    """Return the columns with that of the shown ids wide enough for all: an id cut short cannot be asked for."""
    longest = max((len(row.display_id) for row in rows), default=0)
    return [
        replace(field, width=-longest) if field.name == "JobID" and longest > abs(field.width) else field
        for field in fields
    ]


def table(rows: Sequence[JobEnergy], fields: Sequence[Field], zone: tzinfo, *, header: bool) -> list[str]:
    """Return the lines of a table with columns of fixed width; what does not fit ends in ``+``."""
    lines = [_line(fields, [f.name for f in fields]), _line(fields, ["-" * abs(f.width) for f in fields])]
    body = [_line(fields, [f.show(row, zone) for f in fields]) for row in rows]
    return (lines if header else []) + body


def parsable(
    rows: Sequence[JobEnergy], fields: Sequence[Field], zone: tzinfo, *, header: bool, delimiter: str, trailing: bool
) -> list[str]:
    """Return delimited lines in J and g; ``trailing`` ends each with the delimiter, as ``sacct -p`` does."""
    cells = [[f.name for f in fields]] if header else []
    cells += [[f.raw(row, zone) for f in fields] for row in rows]
    shown = [[csv_cell(cell, delimiter) for cell in line] for line in cells]
    return [delimiter.join(line) + (delimiter if trailing else "") for line in shown]


def _line(fields: Sequence[Field], cells: Sequence[str]) -> str:
    return " ".join(_fit(cell, f.width) for f, cell in zip(fields, cells, strict=True)).rstrip()


def _fit(cell: str, width: int) -> str:
    size = abs(width)
    shown = cell if len(cell) <= size else cell[: max(0, size - 1)] + "+"
    return shown.ljust(size) if width < 0 else shown.rjust(size)


def _text(name: str, width: int, about: str, value: Callable[[JobEnergy], str]) -> Field:
    return Field(name, width, lambda row, _: printable(value(row)), lambda row, _: value(row), about)


def _time(name: str, about: str, value: Callable[[JobEnergy], datetime | None]) -> Field:
    def show(row: JobEnergy, zone: tzinfo) -> str:
        moment = value(row)
        return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S") if moment else "Unknown"

    return Field(name, 19, show, show, about)


def _energy(name: str, about: str, part: Callable[[EnergyParts], int]) -> Field:
    def show(row: JobEnergy, _: tzinfo) -> str:
        return energy_text(None if row.parts is None else part(row.parts))

    def raw(row: JobEnergy, _: tzinfo) -> str:
        return "" if row.parts is None else f"{part(row.parts) / UJ_PER_J:.6f}"

    return Field(name, 10, show, raw, f"{about} (J when parsable)")


def _share(name: str, about: str, fraction: Callable[[JobEnergy], float | None]) -> Field:
    def raw(row: JobEnergy, _: tzinfo) -> str:
        value = fraction(row)
        return "" if value is None else f"{value:.4f}"

    return Field(name, 8, lambda row, _: percent_text(fraction(row)), raw, about)


_ALL = (
    _text("JobID", -12, "the job, as sacct shows it", lambda row: row.display_id),
    _text("JobIDRaw", -12, "Slurm's own number of the job", lambda row: row.job_id),
    _text("JobName", -12, "its name", lambda row: row.name),
    _text("User", 9, "its owner", lambda row: row.user),
    _text("Account", 10, "the account it runs under", lambda row: row.account),
    _text("Cluster", 10, "the cluster it ran on", lambda row: row.key.cluster),
    _text("QOS", 8, "its quality of service", lambda row: row.qos),
    _text("WCKey", 10, "its project, as asked for with --wckey", lambda row: row.wckey),
    _text("Project", 10, "what it counts for: see vispa-green tag", lambda row: row.project),
    _text("ExitCode", 8, "how it ended", lambda row: row.exit_code),
    _text("Comment", 14, "what its user wrote", lambda row: row.comment),
    _text("ReqMem", 10, "memory reserved", lambda row: "" if row.memory_mib is None else f"{row.memory_mib}M"),
    _text(
        "MaxRSS",
        10,
        "the most that all its tasks can have held together",
        lambda row: "" if row.peak_memory_mib is None else f"{row.peak_memory_mib}M",
    ),
    _text("Partition", 10, "its partition", lambda row: row.partition),
    _text("State", 10, "its state", lambda row: row.state),
    _text("NodeList", 15, "its nodes", lambda row: ",".join(row.nodes)),
    _text("AllocCPUS", 9, "CPUs reserved", lambda row: "" if row.cpus is None else str(row.cpus)),
    _time("Submit", "when it was submitted, local time", lambda row: row.submit),
    _time("Start", "when it started, local time", lambda row: row.start),
    _time("End", "when it ended, local time", lambda row: row.end),
    _text("Elapsed", 11, "how long it ran", lambda row: duration_text(row.elapsed)),
    _energy("CPUEnergy", "busy share of the CPU packages", lambda parts: parts.cpu_uj),
    _energy("DRAMEnergy", "busy share of the memory", lambda parts: parts.dram_uj),
    _energy("GPUEnergy", "its GPUs", lambda parts: parts.gpu_uj),
    _energy("IdleEnergy", "idle energy of the node that it carries", lambda parts: parts.idle_uj),
    _energy("Energy", "the sum", lambda parts: parts.total_uj),
    Field(
        "CO2",
        9,
        lambda row, _: mass_text(row.co2_g),
        lambda row, _: "" if row.co2_g is None else f"{row.co2_g:.6f}",
        "CO2 of the energy for which the grid is known (g when parsable)",
    ),
    _share("CO2Known", "part of the energy that CO2 stands for", lambda row: row.grid.co2_coverage),
    _share(
        "Renewable",
        "renewable share of the grid, weighted by energy",
        lambda row: None if row.grid.renewable_share_pct is None else row.grid.renewable_share_pct / 100,
    ),
    _text("Quality", 9, "measured, estimated or gap (see --help)", lambda row: row.quality or ""),
    _share("Coverage", "part of the run that is in the account", lambda row: row.coverage),
    _share("CPUEff", "CPU time used of that reserved", lambda row: row.cpu_efficiency),
)
FIELDS = {field.name.lower(): field for field in _ALL}
