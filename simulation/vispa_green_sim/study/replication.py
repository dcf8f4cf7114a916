"""One seed: the history shaken, played without interventions and with each scenario, and what differs.

Pairing is what makes small effects visible: a scenario is compared with the reference run of the same seed, so
the same shaken submissions, and the same users take part in all scenarios of a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vispa_green_sim.account import MJ_PER_KWH, emissions, energy, job_emissions_g
from vispa_green_sim.adoption import adopters
from vispa_green_sim.engine import simulate
from vispa_green_sim.forecasts import Forecasts, Options, forecasts_of
from vispa_green_sim.interventions import Knowledge, Trial, take
from vispa_green_sim.power import job_powers
from vispa_green_sim.result import SHORTEST_S, Run
from vispa_green_sim.study.preparing import PreparedStudy, Scenario
from vispa_green_sim.workload import Workload

Seconds = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Played:
    """A run by jobs of the original workload, whatever parts they were played in."""

    run: Run = field(repr=False)
    trial: Trial = field(repr=False)
    wait_s: Seconds = field(repr=False)
    """Time between submission and end in which the job did not run."""
    turnaround_s: Seconds = field(repr=False)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: the whole machine, PUE included in CO2 and not in energy."""

    static_kwh: float
    dynamic_kwh: float
    static_g: float
    dynamic_g: float
    boots: int
    mean_wait_s: float
    p95_wait_s: float
    max_wait_s: int
    mean_bounded_slowdown: float
    mean_turnaround_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """Some jobs, with and without the interventions."""

    jobs: int
    core_hours: float
    wait_s: float
    """Mean with the interventions, in s."""
    base_wait_s: float
    turnaround_s: float
    base_turnaround_s: float


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user; sums over their jobs."""

    user: str
    jobs: int
    adopting_jobs: int
    core_hours: float
    wait_s: int
    base_wait_s: int
    g: float
    base_g: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scenario of one seed against the reference run of that seed, over the same span of time."""

    seed: int
    scenario: str
    base: Side
    side: Side
    adopters: Group
    others: Group
    held_jobs: int
    held_hours: float
    shaken_g: float
    """CO2 of the reference run's jobs at their nominal power: what differs between seeds is shaking alone."""
    users: tuple[UserRow, ...]

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Comparison:
        """Return what `dataclasses.asdict` took apart."""
        return cls(
            record["seed"],
            record["scenario"],
            Side(**record["base"]),
            Side(**record["side"]),
            Group(**record["adopters"]),
            Group(**record["others"]),
            record["held_jobs"],
            record["held_hours"],
            record["shaken_g"],
            tuple(UserRow(**row) for row in record["users"]),
        )


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """The shaken history of a seed, played without interventions."""

    seed: int
    workload: Workload = field(repr=False)
    job_mw: Sequence[int] = field(repr=False)
    played: Played = field(repr=False)
    shaken_g: float
    """CO2 of the jobs at their nominal power."""
    forecasts: Forecasts = field(repr=False)
    """What could be known of the grid; all scenarios of a seed see the same, errors included."""


def reference_run(prepared: PreparedStudy, seed: int | None) -> ReferenceRun:
    """Play the history of a seed without interventions; ``None``: as it was recorded, not shaken."""
    jobs = prepared.workload
    power_spread = 0.0
    if seed is not None:
        jobs = shaken(jobs, seed, round(prepared.spec.study.shake_minutes * 60))
        power_spread = prepared.spec.machine.power.spread_pct / 100
    priors = prepared.priors
    if priors is not None and seed is not None:
        priors = priors.resampled(seed)
    nominal = job_powers(jobs, prepared.machine, priors)
    powers = _spread(nominal, jobs, power_spread, seed or 0)
    played = _played(prepared, Trial.of(jobs, prepared.machine, powers), jobs)
    shaken_g = float(job_emissions_g(played.run, nominal, prepared.clock, prepared.spec.machine.pue).sum())
    options = Options(relative_error=prepared.spec.grid.forecast_error, seed=seed or 0)
    forecasts = forecasts_of(prepared.spec.grid.forecast, prepared.clock, options)
    return ReferenceRun(seed or 0, jobs, powers, played, shaken_g, forecasts)


def compare(prepared: PreparedStudy, base: ReferenceRun, scenario: Scenario) -> Comparison:
    """Play a scenario and return what differs from the reference run."""
    taking = adopters(base.workload, scenario.adoption, base.seed)
    knowledge = Knowledge(base.forecasts, taking, base.seed)
    trial = take(scenario.interventions, Trial.of(base.workload, prepared.machine, base.job_mw), knowledge)
    played = _played(prepared, trial, base.workload)
    # Nodes draw power after the last job, too: both sides are counted up to the later end.
    end_s = max(base.played.run.span_s[1], played.run.span_s[1])
    held = _held(played)
    return Comparison(
        base.seed,
        scenario.name,
        _side(prepared, base.played, end_s),
        _side(prepared, played, end_s),
        _group(base, played, taking),
        _group(base, played, ~taking),
        int((held > 0).sum()),
        float(held.sum()) / 3600,
        base.shaken_g,
        _users(prepared, base, played, taking, end_s),
    )


def shaken(jobs: Workload, seed: int, most_s: int) -> Workload:
    """Return the jobs with each submission moved by up to ``most_s``, and what follows from it moved as well."""
    if most_s == 0:
        return jobs
    moves = np.random.default_rng([seed, 0x5A4E]).integers(-most_s, most_s + 1, len(jobs))
    submit = np.maximum(np.asarray(jobs.submit_s, dtype=np.int64) + moves, 0)
    order = np.argsort(submit, kind="stable").tolist()
    moved: dict[str, Any] = {"submit_s": submit[order].tolist()}
    if len(jobs.eligible_s):
        waited = np.asarray(jobs.eligible_s, dtype=np.int64) - np.asarray(jobs.submit_s, dtype=np.int64)
        moved["eligible_s"] = (submit + waited)[order].tolist()
    flat = replace(jobs, submit_s=[0] * len(jobs))  # picking in another order must not pass the check of order
    return replace(flat.picked(order), **moved)


def _spread(powers: Sequence[int], jobs: Workload, spread: float, seed: int) -> Sequence[int]:
    """Multiply powers by a factor per user, lognormal with mean 1: what is not known of jobs' power."""
    if spread == 0 or not len(jobs.user):
        return powers
    names, whose = np.unique(np.asarray(jobs.user), return_inverse=True)
    factors = np.random.default_rng([seed, 0x90]).lognormal(-(spread**2) / 2, spread, len(names))
    changed: list[int] = np.rint(np.asarray(powers) * factors[whose]).astype(np.int64).tolist()
    return changed


def _played(prepared: PreparedStudy, trial: Trial, jobs: Workload) -> Played:
    run = simulate(trial.workload, trial.machine, prepared.spec.machine.scheduler, trial.for_engine())
    submit = np.asarray(jobs.submit_s, dtype=np.int64)
    if len(trial.workload) == len(jobs):
        return Played(run, trial, run.start_s - submit, run.end_s - submit)
    owner = np.asarray(trial.origin, dtype=np.int64)
    end, running = np.zeros(len(jobs), dtype=np.int64), np.zeros(len(jobs), dtype=np.int64)
    np.maximum.at(end, owner, run.end_s)
    np.add.at(running, owner, run.end_s - run.start_s)
    return Played(run, trial, end - submit - running, end - submit)


def _held(played: Played) -> Seconds:
    run = played.run
    if run.released is None:
        return np.zeros(0, dtype=np.int64)
    first = np.diff(np.asarray(played.trial.origin, dtype=np.int64), prepend=-1) != 0
    released = np.frombuffer(run.released, dtype=np.int64)
    held: Seconds = (released - np.asarray(run.workload.submit_s, dtype=np.int64))[first]
    return held


def _side(prepared: PreparedStudy, played: Played, end_s: int) -> Side:
    run, powers = played.run, played.trial.job_mw
    used = energy(run, powers, end_s)
    co2 = emissions(run, powers, prepared.clock, prepared.spec.machine.pue, end_s)
    wait, turnaround = played.wait_s, played.turnaround_s
    length = turnaround - wait
    return Side(
        sum(used.static_mj.values()) / MJ_PER_KWH,
        used.dynamic_mj / MJ_PER_KWH,
        co2.static_g,
        co2.dynamic_g,
        used.boots,
        float(wait.mean()),
        float(np.percentile(wait, 95)),
        int(wait.max()),
        float(np.maximum(1.0, turnaround / np.maximum(length, SHORTEST_S)).mean()),
        float(turnaround.mean()),
    )


def _group(base: ReferenceRun, played: Played, chosen: npt.NDArray[np.bool_]) -> Group:
    jobs = int(chosen.sum())
    if not jobs:
        return Group(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    work = np.asarray(base.workload.processors, dtype=np.int64) * np.asarray(base.workload.run_s, dtype=np.int64)
    return Group(
        jobs,
        float(work[chosen].sum()) / 3600,
        float(played.wait_s[chosen].mean()),
        float(base.played.wait_s[chosen].mean()),
        float(played.turnaround_s[chosen].mean()),
        float(base.played.turnaround_s[chosen].mean()),
    )


def _users(
    prepared: PreparedStudy, base: ReferenceRun, played: Played, taking: npt.NDArray[np.bool_], end_s: int
) -> tuple[UserRow, ...]:
    jobs = base.workload
    if not len(jobs.user):
        return ()
    names, whose = np.unique(np.asarray(jobs.user), return_inverse=True)
    work = np.asarray(jobs.processors, dtype=np.int64) * np.asarray(jobs.run_s, dtype=np.int64)

    def by_user(values: npt.ArrayLike) -> Floats:
        return _sums(whose, np.asarray(values, dtype=np.float64), len(names))

    def grams(side: Played) -> Floats:
        pue = prepared.spec.machine.pue
        rows = job_emissions_g(side.run, side.trial.job_mw, prepared.clock, pue, end_s)
        owners = whose[np.asarray(side.trial.origin, dtype=np.int64)]
        return _sums(owners, rows, len(names))

    columns = zip(
        names,
        by_user(np.ones(len(jobs))),
        by_user(taking),
        by_user(work / 3600),
        by_user(played.wait_s),
        by_user(base.played.wait_s),
        grams(played),
        grams(base.played),
        strict=True,
    )
    return tuple(
        UserRow(str(n), int(j), int(a), float(c), int(w), int(b), float(g), float(h))
        for n, j, a, c, w, b, g, h in columns
    )


def _sums(groups: npt.NDArray[np.intp], values: Floats, count: int) -> Floats:
    sums: Floats = np.bincount(groups, weights=values, minlength=count).astype(np.float64)
    return sums
