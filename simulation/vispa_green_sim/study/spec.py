"""The study file: TOML into frozen values. A key we do not know is an error with its line and the nearest known."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from vispa_green.errors import did_you_mean
from vispa_green_sim.errors import SimulationError, place

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Part = Annotated[float, Field(ge=0, le=1)]


class StudyError(SimulationError):
    """A study that cannot be done as described."""


class Table(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StudyTable(Table):
    """What is asked, and how often it is played."""

    name: str
    seeds: Annotated[int, Field(ge=2, le=10_000)] = 20
    first_seed: Annotated[int, Field(ge=0)] = 1
    shake_minutes: NotNegative = 15
    """Each submission is moved by up to so much, earlier or later (Tsafrir, Ouaknine & Feitelson)."""


class WorkloadTable(Table):
    """The job history."""

    file: Path
    format: str | None = None
    first_jobs: Annotated[int, Field(ge=1)] | None = None
    zone: str = "UTC"


class PowerTable(Table):
    """What one node draws; the defaults are Grid'5000's Taurus (2 × 6 cores), measured, as Batsim documents it."""

    idle_w: NotNegative = 95.0
    busy_w: Positive = 190.7
    """With all its processors at work."""
    off_w: NotNegative = 9.75
    boot_w: NotNegative = 125.2
    boot_s: Annotated[int, Field(ge=0)] = 152
    shutdown_w: NotNegative = 101.0
    shutdown_s: Annotated[int, Field(ge=0)] = 7
    gpu_w: NotNegative = 0.0
    spread_pct: NotNegative = 0.0
    """How far users' jobs differ in dynamic power: σ of a lognormal factor per user and seed, mean 1."""
    ledger: Path | None = None
    """A ledger in SQLite: jobs draw what our own jobs of their user, account, name and partition drew, resampled
    for each seed."""


class MachineTable(Table):
    """The machine that is simulated."""

    processors: Annotated[int, Field(ge=1)] | None = None
    processors_per_node: Annotated[int, Field(ge=1)] = 1
    memory_gib_per_node: NotNegative = 0
    """With memory, jobs are packed into nodes (scheduler ``slurm_like``); else processors are counted."""
    slurm_conf: Path | None = None
    """The cluster's own nodes and partitions, instead of the three keys above."""
    scheduler: str = "easy"
    pue: Annotated[float, Field(ge=1)] = 1.0
    power: PowerTable = PowerTable()


class GridTable(Table):
    """The carbon intensity of the accounts, and how interventions foresee it."""

    file: Path
    column: str | None = None
    time_column: str | None = None
    start: datetime
    """The date that the history's first second is played at."""
    fill_hours: NotNegative = 0
    forecast: str = "day_ahead"
    """What gates see; ``oracle`` is a bound, no forecast."""
    forecast_error: NotNegative = 0.1
    """Standard deviation of the error of ``day_ahead``, as a part of the value."""

    @field_validator("start")
    @classmethod
    def _utc(cls, start: datetime) -> datetime:
        return start.replace(tzinfo=start.tzinfo or UTC)


class AdoptionTable(Table):
    """Who takes part; see `vispa_green_sim.adoption`."""

    rate: Part = 1.0
    persistence: Part = 1.0
    period_days: Positive = 7.0
    incentive: NotNegative = 1.0


class InterventionTable(BaseModel):
    """An intervention by name; the other keys are its options, which it checks itself."""

    model_config = ConfigDict(frozen=True, extra="allow")

    use: str

    @property
    def options(self) -> dict[str, Any]:
        """The other keys."""
        return dict(self.model_extra or {})


class ScenarioTable(Table):
    """Interventions taken together, and by whom."""

    name: str
    adoption: AdoptionTable = AdoptionTable()
    interventions: tuple[InterventionTable, ...] = ()


class SensitivityTable(Table):
    """A scenario again, with another value: ``vary`` is ``adoption.KEY`` or ``INTERVENTION.OPTION``."""

    scenario: str
    vary: str
    values: Annotated[tuple[Any, ...], Field(min_length=1)]


class Spec(Table):
    """The whole file."""

    study: StudyTable
    workload: WorkloadTable
    machine: MachineTable = MachineTable()
    grid: GridTable
    scenario: Annotated[tuple[ScenarioTable, ...], Field(min_length=1)]
    sensitivity: tuple[SensitivityTable, ...] = ()


def load(path: Path) -> Spec:
    """Read a study file; raise `StudyError` with every fault, its line, and what to do."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be read ({error.strerror}); give the path of a study's TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not valid TOML: {error}") from error
    _use_new_names(path, text, content)
    try:
        spec = Spec.model_validate(content)
    except ValidationError as invalid:
        faults = [_fault(path, text, error) for error in invalid.errors(include_url=False)]
        raise StudyError("\n".join(faults)) from None
    _refuse_twins(path, text, spec)
    return spec


def scenarios(spec: Spec) -> list[tuple[ScenarioTable, str]]:
    """Return the scenarios, then the sensitivity's; each with the name of the one it varies, else an empty one."""
    found = [(scenario, "") for scenario in spec.scenario]
    for table in spec.sensitivity:
        original = next((s for s in spec.scenario if s.name == table.scenario), None)
        if original is None:
            names = [s.name for s in spec.scenario]
            raise StudyError(
                f"[[sensitivity]]: no scenario called {table.scenario!r}{did_you_mean(table.scenario, names)}; "
                f"there are {', '.join(names)}"
            )
        for value in table.values:
            varied = _varied(original, table.vary, value)
            found.append(
                (varied.model_copy(update={"name": f"{original.name}; {table.vary} = {value}"}), original.name)
            )
    return found


def _varied(scenario: ScenarioTable, path: str, value: object) -> ScenarioTable:
    """Return the scenario with one value changed."""
    head, _, key = path.partition(".")
    content = scenario.model_dump()
    targets = (
        [content["adoption"]] if head == "adoption" else [m for m in content["interventions"] if m["use"] == head]
    )
    known = ["adoption", *(intervention.use for intervention in scenario.interventions)]
    if not targets or not key:
        raise StudyError(
            f"[[sensitivity]] vary = {path!r}: scenario {scenario.name!r} has {', '.join(known)}"
            f"{did_you_mean(head, known)}; write e.g. 'adoption.rate'"
        )
    for target in targets:
        target[key] = value
    try:
        return ScenarioTable.model_validate(content)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        hint = did_you_mean(key, list(AdoptionTable.model_fields)) if error["type"] == "extra_forbidden" else ""
        raise StudyError(f"[[sensitivity]] vary = {path!r}, value {value!r}: {error['msg'].lower()}{hint}") from None


_OLD_NAMES = (("machine", "policy", "scheduler"), ("scenario", "measures", "interventions"))
"""A table, a key's name in study files of before, and its name now. Either may be written, but not both."""


def _use_new_names(path: Path, text: str, content: dict[str, Any]) -> None:
    """Rename the old keys in place; raise `StudyError` for a table that has a key under both names."""
    for name, old, new in _OLD_NAMES:
        found = content.get(name)
        for table in found if isinstance(found, list) else [found]:
            if not isinstance(table, dict) or old not in table:
                continue
            if new in table:
                loc = (name, found.index(table), new) if isinstance(found, list) else (name, new)
                raise StudyError(
                    f"{place(path, line_of(text, loc))}: [{name}] has {old!r} and {new!r}, two names of one key; "
                    f"keep {new!r}"
                )
            table[new] = table.pop(old)


def _refuse_twins(path: Path, text: str, spec: Spec) -> None:
    seen: set[str] = set()
    for index, scenario in enumerate(spec.scenario):
        if scenario.name in seen:
            line = line_of(text, ("scenario", index, "name"))
            raise StudyError(f"{place(path, line)}: two scenarios are called {scenario.name!r}; rename one")
        seen.add(scenario.name)


def _fault(path: Path, text: str, error: ErrorDetails) -> str:
    loc = error["loc"]
    key = str(loc[-1])
    tables = ".".join(str(part) for part in loc[:-1] if not isinstance(part, int))
    where = f"{place(path, line_of(text, loc))}: {f'[{tables}] ' if tables else ''}{key}"
    if error["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        return f"{where}: unknown key{did_you_mean(key, known)}; known: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{where}: missing; add it"
    return f"{where}: {error['msg'].lower()} (got {error['input']!r})"


def _known_keys(loc: Sequence[int | str]) -> list[str]:
    model: Any = Spec
    for part in loc:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            model = next((a for a in _arguments(annotation) if hasattr(a, "model_fields")), annotation)
    return list(model.model_fields)


def _arguments(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - annotations have no type of their own
    yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _arguments(argument)


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")


def line_of(text: str, loc: Sequence[int | str]) -> int:
    """Return the line of a key, or of the table or inline table that holds it."""
    longest, found = 0, 1
    for number, written in _paths(text):
        path = _with_new_names(written)
        if len(path) > longest and path == tuple(loc[: len(path)]):
            longest, found = len(path), number
    return found


def _with_new_names(path: tuple[int | str, ...]) -> tuple[int | str, ...]:
    for table, old, new in _OLD_NAMES:
        if path[0] == table:  # the key follows the table's name, or its number in a list of tables
            path = (*(new if part == old else part for part in path[:3]), *path[3:])
    return path


def _paths(text: str) -> Iterator[tuple[int, tuple[int | str, ...]]]:
    """Yield each line that begins a table or sets a key, with the place that gives it in the content."""
    table: tuple[int | str, ...] = ()
    counts: dict[tuple[int | str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _resolved(header[2].split("."), header[1] == "[[", counts)
            yield number, table
        elif "=" in line and not line.lstrip().startswith("#"):
            yield number, (*table, *line.partition("=")[0].strip().split("."))


def _resolved(names: Sequence[str], is_list: bool, counts: dict[tuple[int | str, ...], int]) -> tuple[int | str, ...]:
    """Return the place of a table; ``counts`` knows how many of each list there have been."""
    path: tuple[int | str, ...] = ()
    for name in names:
        path = (*path, name.strip())
        if is_list and name is names[-1]:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
