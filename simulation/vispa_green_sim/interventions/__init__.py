"""What a site or its users could do differently, one file each, made by its ``intervention(**options)``.

An intervention turns one trial of a simulation into another and touches nothing else, so interventions
combine: a scenario is a list of them. They see the grid as it was foreseen (`Knowledge.forecasts`), never as it came.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vispa_green.errors import did_you_mean
from vispa_green.registry import Registry
from vispa_green_sim.engine import Conditions
from vispa_green_sim.errors import SimulationError
from vispa_green_sim.forecasts import Forecasts
from vispa_green_sim.gate import Gate
from vispa_green_sim.interventions._all_gates import AllGates
from vispa_green_sim.machine import Machine
from vispa_green_sim.sleep import Sleep
from vispa_green_sim.workload import Workload

Pace = Callable[[int, int], int]


class InterventionError(SimulationError):
    """An intervention that cannot be taken as asked."""


class Stage(IntEnum):
    """When an intervention has its turn, whatever its place in the list: each needs what the earlier ones leave."""

    JOBS = 1
    """Changes what jobs are: their number, length, requests, power."""
    PARTS = 2
    """Makes several rows of a job."""
    QUEUE = 3
    """Changes the order of the queue, or the machine."""
    GATES = 4
    """Holds jobs; sees the jobs as they will be."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an intervention may know besides the trial."""

    forecasts: Forecasts
    """The grid as it was foreseen, of carbon intensity; a gate asks ``forecasts.issued(now)``."""
    adopts: npt.NDArray[np.bool_] = field(repr=False)
    """Whether each job of the *original* workload takes part."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """All that a run depends on. Rows are what the engine calls jobs; ``origin`` says whose they are."""

    workload: Workload = field(repr=False)
    machine: Machine
    job_mw: Sequence[int] = field(repr=False)
    """The dynamic power of each row in mW, as `vispa_green_sim.power` gives it."""
    origin: Sequence[int] = field(repr=False)
    """The job of the original workload that each row is (a part of)."""
    gates: tuple[tuple[Gate, Sequence[bool]], ...] = field(default=(), repr=False)
    """Gates, each with the rows that it is asked about."""
    sleep: Sleep | None = None
    place: Sequence[int] | None = field(default=None, repr=False)
    pace: Pace | None = field(default=None, repr=False)

    @classmethod
    def of(cls, workload: Workload, machine: Machine, job_mw: Sequence[int]) -> Trial:
        """Return the trial without any intervention."""
        return cls(workload, machine, job_mw, range(len(workload)))

    def adopting(self, knowledge: Knowledge) -> list[bool]:
        """Say of each row whether its job takes part."""
        whole: list[bool] = knowledge.adopts[np.asarray(self.origin, dtype=np.int64)].tolist()
        return whole

    def with_gate(self, gate: Gate, asked: Sequence[bool], *, of_parts: bool = False) -> Trial:
        """Return the trial with one more gate, asked about these rows.

        Of a job in several rows it is asked about the first only, unless it is a gate ``of_parts``.
        """
        if not of_parts:
            origin = self.origin
            asked = [wanted and (not row or origin[row - 1] != origin[row]) for row, wanted in enumerate(asked)]
        return replace(self, gates=(*self.gates, (gate, asked)))

    def for_engine(self, options: object = None) -> Conditions:
        """Return what the engine is told; several gates act as one that opens when all agree."""
        gate: Gate | None = None
        asked: Sequence[bool] | None = None
        if len(self.gates) == 1:
            ((gate, asked),) = self.gates
        elif self.gates:
            gate = AllGates(self.gates)
            asked = [any(row) for row in zip(*(rows for _, rows in self.gates), strict=True)]
        return Conditions(gate, asked, self.sleep, self.place, self.pace, options)


class Intervention(Protocol):
    """One thing to do differently. Pure: it returns a new trial."""

    @property
    def stage(self) -> Stage:
        """When it has its turn."""

    def applied(self, trial: Trial, knowledge: Knowledge) -> Trial:
        """Return the trial with the intervention taken by those who take part in it."""


INTERVENTIONS: Registry[Intervention] = Registry("intervention", __name__, "intervention")


def make(name: str, options: Mapping[str, Any]) -> Intervention:
    """Return an intervention by name; raise `InterventionError` for an option that it does not have."""
    factory = INTERVENTIONS.load(name)
    known = inspect.signature(factory).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    for option in options:
        if option not in known and not takes_all:
            raise InterventionError(
                f"intervention {name} has no option {option!r}{did_you_mean(option, list(known))}; "
                f"it has {', '.join(known) or 'none'}"
            )
    for option, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and option not in options and not takes_all:
            raise InterventionError(f"intervention {name} needs the option {option!r}")
    for option, value in options.items():
        if option in known and not _suits(value, known[option].annotation):
            raise InterventionError(f"intervention {name}: {option} = {value!r}; it takes {known[option].annotation}")
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        raise InterventionError(f"intervention {name}: {error}; correct its options") from error


_TYPES: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "str": (str,), "bool": (bool,)}


def _suits(value: object, annotation: object) -> bool:
    """Say whether a value from TOML is of one of the plain types that an option is annotated with."""
    names = [part.strip() for part in str(annotation).split("|")]
    if not all(name in _TYPES or name == "None" for name in names):
        return True  # the intervention knows better
    if isinstance(value, bool):
        return "bool" in names
    return any(isinstance(value, _TYPES[name]) for name in names if name in _TYPES)


def take(interventions: Sequence[Intervention], trial: Trial, knowledge: Knowledge) -> Trial:
    """Return the trial with all interventions taken, in the order of their stages and else as listed."""
    for intervention in sorted(interventions, key=lambda one: one.stage):
        trial = intervention.applied(trial, knowledge)
    return trial
