"""The energy and CO2 of a run, by integrals made after it; nothing is sampled.

Energy is static (what nodes draw in their states, whoever uses them) plus dynamic (what jobs add).
Powers are whole mW and times whole seconds, so every energy is an exact integer of mJ, and sums over
classes, states and jobs are exact. CO2 uses the running integral C of the intensity: a change of the
power by Δ at time t adds Δ × (C(end) − C(t)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vispa_green.model import Quantity
from vispa_green_sim.errors import PowerError
from vispa_green_sim.grid import GridClock
from vispa_green_sim.machine import NodePowerModel
from vispa_green_sim.result import Run
from vispa_green_sim.sleep import CHANGES, WAKE, State

MJ_PER_KWH = 3_600_000_000
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of the number of nodes of one class in one state, at times in no order."""

    kind: int
    state: State
    times_s: Integers
    nodes: Integers


@dataclass(frozen=True, slots=True)
class Energy:
    """The energy of a run over ``[begin_s, end_s)``, IT only (without PUE), in mJ."""

    begin_s: int
    end_s: int
    static_mj: dict[tuple[str, State], int]
    """By node class and state."""
    dynamic_mj: int
    boots: int
    """How many times a node was switched on, what wears them."""

    @property
    def total_mj(self) -> int:
        """Static and dynamic."""
        return sum(self.static_mj.values()) + self.dynamic_mj

    @property
    def total_kwh(self) -> float:
        """The same in kWh."""
        return self.total_mj / MJ_PER_KWH


@dataclass(frozen=True, slots=True)
class Emissions:
    """CO2 of a run, PUE included, in grams."""

    static_g: float
    dynamic_g: float

    @property
    def total_g(self) -> float:
        """Static and dynamic."""
        return self.static_g + self.dynamic_g


def energy(run: Run, job_mw: Sequence[int], end_s: int | None = None) -> Energy:
    """Return the energy from the first submission to ``end_s`` (else the last end).

    ``job_mw`` is the dynamic power of each job (see `vispa_green_sim.power`). Give runs that are to be
    compared the same ``end_s``: nodes draw power after the last job, too.
    """
    begin, end = _span(run, end_s)
    static: dict[tuple[str, State], int] = {}
    for change in state_changes(run):
        kind = run.machine.classes[change.kind]
        left = np.maximum(0, end - np.maximum(begin, change.times_s))
        node_s = int((change.nodes * left).sum())
        key = (kind.name, change.state)
        static[key] = static.get(key, 0) + node_s * power_of(kind.power, change.state)
    boots = 0 if run.log is None else int(_log(run.log.nodes)[_log(run.log.changes, np.int8) == WAKE].sum())
    return Energy(begin, end, static, int(job_energy_mj(run, job_mw, end).sum()), boots)


def emissions(
    run: Run, job_mw: Sequence[int], grid: GridClock, pue: float = 1.0, end_s: int | None = None
) -> Emissions:
    """Return the CO2 over the same span as `energy`; the grid's series has to be of carbon intensity."""
    begin, end = _span(run, end_s)
    known = _carbon(grid).cumulative([begin, end])
    static = 0.0
    for change in state_changes(run):
        until = grid.cumulative(np.clip(change.times_s, begin, end))
        node_g = float((change.nodes * (known[1] - until)).sum())
        static += node_g * power_of(run.machine.classes[change.kind].power, change.state)
    dynamic = float(job_emissions_g(run, job_mw, grid, 1.0, end).sum())
    return Emissions(static / MJ_PER_KWH * pue, dynamic * pue)


def job_energy_mj(run: Run, job_mw: Sequence[int], end_s: int | None = None) -> Integers:
    """Return the dynamic energy of each job, up to ``end_s``."""
    starts, ends = _clipped(run, end_s)
    return _powers(run, job_mw) * (ends - starts)


def job_emissions_g(
    run: Run, job_mw: Sequence[int], grid: GridClock, pue: float = 1.0, end_s: int | None = None
) -> npt.NDArray[np.float64]:
    """Return the CO2 in grams of each job's dynamic energy, up to ``end_s``."""
    starts, ends = _clipped(run, end_s)
    g_s_per_kwh = _carbon(grid).cumulative(ends) - grid.cumulative(starts)
    return _powers(run, job_mw) * g_s_per_kwh * (pue / MJ_PER_KWH)


def state_changes(run: Run) -> list[Changes]:
    """Return how many nodes enter (+) and leave (−) each state when; without sleep, from the jobs alone."""
    begin = np.array([run.span_s[0]], dtype=np.int64)
    if run.log is None:
        return _without_sleep(run, begin)
    found = []
    times, nodes = _log(run.log.times_s, np.int64), _log(run.log.nodes)
    codes = _log(run.log.changes, np.int8)
    classes = _log(run.log.classes, np.int8) if len(run.log.classes) else np.zeros(len(codes), dtype=np.int8)
    for index, kind in enumerate(run.machine.classes):
        found.append(Changes(index, State.IDLE, begin, np.array([kind.count], dtype=np.int64)))
        for code, (before, after) in enumerate(CHANGES):
            chosen = (codes == code) & (classes == index)
            if chosen.any():
                found.append(Changes(index, before, times[chosen], -nodes[chosen]))
                found.append(Changes(index, after, times[chosen], nodes[chosen]))
    return found


def power_of(power: NodePowerModel, state: State) -> int:
    """Return what a node draws in a state, in mW; an active one as an idle one, its job's part is dynamic."""
    return {
        State.IDLE: power.idle_mw,
        State.ACTIVE: power.idle_mw,
        State.OFF: power.off_mw,
        State.BOOT: power.boot_mw,
        State.SHUTDOWN: power.shutdown_mw,
    }[state]


def _without_sleep(run: Run, begin: Integers) -> list[Changes]:
    """Nodes that never sleep draw the same with and without a job; a counted machine still tells which."""
    found = [
        Changes(index, State.IDLE, begin, np.array([kind.count], dtype=np.int64))
        for index, kind in enumerate(run.machine.classes)
    ]
    if len(run.machine.classes) == 1 and run.machine.classes[0].cpus == 1:
        width = np.asarray(run.workload.processors, dtype=np.int64)
        times, nodes = np.concatenate((run.start_s, run.end_s)), np.concatenate((width, -width))
        found += [Changes(0, State.ACTIVE, times, nodes), Changes(0, State.IDLE, times, -nodes)]
    return found


def _log(column: Sequence[int], kind: npt.DTypeLike = np.int32) -> Integers:
    return np.frombuffer(column, dtype=kind).astype(np.int64)  # type: ignore[call-overload,no-any-return]


def _span(run: Run, end_s: int | None) -> tuple[int, int]:
    begin, end = run.span_s
    return begin, end if end_s is None else max(begin, end_s)


def _clipped(run: Run, end_s: int | None) -> tuple[Integers, Integers]:
    return (
        (run.start_s, run.end_s) if end_s is None else (np.minimum(run.start_s, end_s), np.minimum(run.end_s, end_s))
    )


def _powers(run: Run, job_mw: Sequence[int]) -> Integers:
    powers = np.asarray(job_mw, dtype=np.int64)
    if powers.shape != (len(run.workload),):
        raise PowerError(f"{powers.size} powers for {len(run.workload)} jobs; give one for each")
    return powers


def _carbon(grid: GridClock) -> GridClock:
    if grid.series.quantity is not Quantity.CARBON_INTENSITY:
        raise PowerError(f"CO2 needs a series of {Quantity.CARBON_INTENSITY}, not of {grid.series.quantity}")
    return grid
