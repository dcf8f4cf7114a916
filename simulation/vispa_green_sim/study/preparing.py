"""What all replications of a study share: jobs, machine, power, grid. Read once, before processes part."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import vispa_green
import vispa_green_sim
from vispa_green.errors import VispaGreenError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Quantity
from vispa_green_sim.adoption import Adoption, adopters
from vispa_green_sim.errors import place
from vispa_green_sim.forecasts import FORECASTS
from vispa_green_sim.grid import GridClock, from_csv
from vispa_green_sim.inputs import INPUTS, Options, read_workload
from vispa_green_sim.interventions import Intervention, make
from vispa_green_sim.machine import Machine, NodeClass, NodePowerModel
from vispa_green_sim.power import Priors, samples_of
from vispa_green_sim.scheduling import SCHEDULERS
from vispa_green_sim.slurm_conf import read_machine
from vispa_green_sim.study.spec import (
    MachineTable,
    PowerTable,
    ScenarioTable,
    Spec,
    StudyError,
    line_of,
    load,
    scenarios,
)
from vispa_green_sim.workload import Workload

_NOT_HASHED = {"report", "on", "studying.py", "statistics.py", "summary.py", "cli.py", "replaying.py", "bound.py"}
"""Files that cannot change a replication: they choose where it is played, or show what came of it."""
DATA_VARIABLE = "VISPA_GREEN_DATA"
NEAR_DATA = Path("../shared/data")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Interventions, ready to be taken, and by whom."""

    name: str
    varies: str
    """The scenario that it is a variation of; empty: none."""
    adoption: Adoption
    interventions: tuple[Intervention, ...]
    table: ScenarioTable


@dataclass(frozen=True, slots=True)
class PreparedStudy:
    """The study, loaded."""

    spec: Spec
    workload: Workload = field(repr=False)
    machine: Machine
    priors: Priors | None = field(repr=False)
    clock: GridClock = field(repr=False)
    scenarios: tuple[Scenario, ...]
    fingerprint: str
    """A hash of everything that any result depends on: inputs, settings, and our own code."""

    @property
    def seeds(self) -> range:
        """The seeds of the replications."""
        return range(self.spec.study.first_seed, self.spec.study.first_seed + self.spec.study.seeds)


def prepare(file: Path) -> PreparedStudy:
    """Read a study and all that it names; raise an error with the place and the remedy of the first fault."""
    spec = load(file)
    if spec.workload.format is not None:
        INPUTS.load(spec.workload.format)
    SCHEDULERS.load(spec.machine.scheduler)
    FORECASTS.load(spec.grid.forecast)
    ready = tuple(_scenario(file, spec, table, varies) for table, varies in scenarios(spec))
    jobs_file, grid_file = (_found(path, file) for path in (spec.workload.file, spec.grid.file))
    conf = _found(spec.machine.slurm_conf, file) if spec.machine.slurm_conf else None
    ledger = _found(spec.machine.power.ledger, file) if spec.machine.power.ledger else None
    workload = read_workload(jobs_file, Options(spec.machine.processors, spec.workload.zone), spec.workload.format)
    if spec.workload.first_jobs is not None:
        workload = workload.picked(range(min(spec.workload.first_jobs, len(workload))))
    for scenario in ready:
        adopters(workload.picked(range(min(1, len(workload)))), scenario.adoption, 0)
    return PreparedStudy(
        spec,
        workload,
        _machine_of(conf, spec.machine.power) if conf else _machine(spec.machine, workload),
        _priors(ledger) if ledger else None,
        _clock(spec, grid_file),
        ready,
        _fingerprint(spec, *(path for path in (jobs_file, grid_file, conf, ledger) if path)),
    )


def _scenario(file: Path, spec: Spec, table: ScenarioTable, varies: str) -> Scenario:
    interventions = []
    for number, one in enumerate(table.interventions):
        try:
            interventions.append(make(one.use, one.options))
        except VispaGreenError as error:
            names = [s.name for s in spec.scenario]
            loc = ("scenario", names.index(varies or table.name), "interventions", number)
            text = file.read_text(encoding="utf-8")
            raise StudyError(f"{place(file, line_of(text, loc))}: scenario {table.name!r}: {error}") from error
    who = table.adoption
    adoption = Adoption(who.rate, who.persistence, who.period_days, who.incentive)
    return Scenario(table.name, varies, adoption, tuple(interventions), table)


def _found(path: Path, study: Path) -> Path:
    """Return where a file is: as named, beside the study, or in the folder of shared data."""
    roots = [study.parent, *([Path(os.environ[DATA_VARIABLE])] if os.environ.get(DATA_VARIABLE) else []), NEAR_DATA]
    places = [path] if path.is_absolute() else [root / path for root in roots]
    for candidate in places:
        if candidate.is_file():
            return candidate.resolve()
    raise StudyError(
        f"{study}: no file {path} (looked for {', '.join(map(str, places))}); "
        f"correct the path, or set {DATA_VARIABLE} to the folder that it is in"
    )


def _machine(table: MachineTable, workload: Workload) -> Machine:
    processors = table.processors or workload.machine_processors
    if processors is None:
        raise StudyError(f"{workload.name} does not say how large the machine is; add processors to [machine]")
    per_node = table.processors_per_node
    if processors % per_node:
        raise StudyError(f"[machine] {processors} processors are no whole number of nodes of {per_node}; correct one")
    node = _node_power(table.power, per_node)
    if not table.memory_gib_per_node:
        return Machine.of_processors(processors, node.divided(per_node))
    memory_mib = round(table.memory_gib_per_node * 1024)
    return Machine((NodeClass("node", processors // per_node, per_node, memory_mib, power=node),))


def _machine_of(conf: Path, power: PowerTable) -> Machine:
    """Return the machine of a ``slurm.conf``; every node draws what the study says, spread over its own CPUs."""
    classes = read_machine(conf).classes
    return read_machine(conf, {one.name: _node_power(power, one.cpus) for one in classes})


def _node_power(power: PowerTable, cpus: int) -> NodePowerModel:
    return NodePowerModel(
        round(power.idle_w * 1000),
        round(power.off_w * 1000),
        round(power.boot_w * 1000),
        power.boot_s,
        round(power.shutdown_w * 1000),
        power.shutdown_s,
        round(max(0.0, power.busy_w - power.idle_w) * 1000 / cpus),
        round(power.gpu_w * 1000),
    )


def _priors(file: Path) -> Priors:
    with closing(open_ledger(f"sqlite://{file}", read_only=True)) as ledger:
        return Priors.of(samples_of(ledger))


def _clock(spec: Spec, file: Path) -> GridClock:
    table = spec.grid
    series = from_csv(
        file,
        Quantity.CARBON_INTENSITY,
        column=table.column,
        time_column=table.time_column,
        fill_s=round(table.fill_hours * 3600),
    )
    clock = GridClock(series, table.start)
    shortest = series.start + timedelta(days=2) + timedelta(minutes=spec.study.shake_minutes)
    if table.start < shortest:
        raise StudyError(
            f"[grid] start = {table.start:%Y-%m-%d %H:%M}: forecasts need two days of the series before it; "
            f"choose {shortest:%Y-%m-%d %H:%M} or later"
        )
    return clock


def _fingerprint(spec: Spec, *files: Path) -> str:
    """Hash inputs and settings but those that each scenario's own key adds; see `vispa_green_sim.study.store`."""
    settings: dict[str, Any] = spec.model_dump(mode="json", exclude={"scenario", "sensitivity"})
    settings["study"] = {"shake_minutes": spec.study.shake_minutes}
    settings["workload"].pop("file")
    settings["grid"].pop("file")
    settings["machine"].pop("slurm_conf")
    settings["machine"]["power"].pop("ledger")
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16)
    for file in files:
        digest.update(hashlib.blake2b(file.read_bytes()).digest())
    for package in (vispa_green, vispa_green_sim):
        root = Path(inspect.getfile(package)).parent
        for source in sorted(root.rglob("*.py")):
            if not _NOT_HASHED.intersection(source.relative_to(root).parts):
                digest.update(source.read_bytes())
    return digest.hexdigest()
