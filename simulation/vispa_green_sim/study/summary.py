"""What all replications of a study say together: effects with intervals, noise, and who pays. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vispa_green_sim.study.preparing import PreparedStudy
from vispa_green_sim.study.replay_error import ReplayError
from vispa_green_sim.study.replication import Comparison, Side
from vispa_green_sim.study.statistics import Estimate, estimate

UNCHANGED_S = 60
"""A mean wait within a minute of before counts as unchanged."""
SHOWN_USERS = 8


@dataclass(frozen=True, slots=True)
class UserChange:
    """One user over all seeds."""

    user: str
    jobs: float
    """Per seed."""
    adopting_part: float
    wait_change_s: float
    """Of a job's mean wait."""
    saved_g: float
    """Dynamic CO2 per seed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One scenario against no interventions."""

    name: str
    varies: str
    saved_pct: Estimate
    """CO2 of the whole machine, % of the reference run's."""
    dynamic_saved_pct: Estimate
    """... of the part that jobs cause."""
    static_saved_pct: Estimate
    """... of what nodes draw whoever uses them."""
    energy_saved_pct: Estimate
    saved_kg: Estimate
    adopting_jobs_pct: Estimate
    adopting_work_pct: Estimate
    """By core-hours."""
    adopters_wait_s: Estimate | None
    """Change of the mean wait; ``None`` where nobody takes part in some seed."""
    others_wait_s: Estimate | None
    others_wait_pct: Estimate | None
    turnaround_s: Estimate
    """Change of the mean of all jobs, longer runs included."""
    saved_g_per_added_hour: Estimate | None
    """CO2 per hour of turnaround added, all jobs; ``None`` where nothing is added in some seed."""
    boots: Estimate
    held_hours: Estimate
    users_better: int
    users_worse: int
    users_unchanged: int
    winners: tuple[UserChange, ...]
    losers: tuple[UserChange, ...]
    is_beyond_noise: bool
    """Whether the effect is clear, and larger than what shaking alone does to a run (2 sd)."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What shaking alone does, without any intervention: sd over seeds, in %."""

    dynamic_co2_pct: float
    mean_wait_pct: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The study's answer."""

    name: str
    seeds: int
    workload: str
    jobs: int
    processors: int
    policy: str
    """The scheduler, by the name that ``summary.json`` has had for it since its first version."""
    shake_minutes: float
    forecast: str
    replay: ReplayError
    base_mean_wait_s: Estimate
    base_total_t: Estimate
    """CO2 of a run without interventions, in tonnes."""
    base_static_part: Estimate
    noise: Noise
    effects: tuple[Effect, ...]


def summarise(prepared: PreparedStudy, replay: ReplayError, results: Sequence[Sequence[Comparison]]) -> Summary:
    """Return the answer; ``results`` has one row of seeds for each scenario."""
    bases = [result.base for result in results[0]]
    dynamic = estimate(result.shaken_g for result in results[0])
    wait = estimate(base.mean_wait_s for base in bases)
    noise = Noise(_pct(dynamic.sd, dynamic.mean), _pct(wait.sd, wait.mean))
    spec = prepared.spec
    return Summary(
        spec.study.name,
        spec.study.seeds,
        prepared.workload.name,
        len(prepared.workload),
        prepared.machine.processors,
        spec.machine.scheduler,
        spec.study.shake_minutes,
        spec.grid.forecast,
        replay,
        wait,
        estimate((base.static_g + base.dynamic_g) / 1e6 for base in bases),
        estimate(base.static_g / _total(base) for base in bases),
        noise,
        tuple(
            _effect(scenario.name, scenario.varies, found, noise)
            for scenario, found in zip(prepared.scenarios, results, strict=True)
        ),
    )


def _effect(name: str, varies: str, found: Sequence[Comparison], noise: Noise) -> Effect:
    def saved(part: Callable[[Side], float]) -> Estimate:
        return estimate(_pct(part(one.base) - part(one.side), part(one.base)) for one in found)

    total, dynamic = saved(_total), saved(lambda side: side.dynamic_g)
    static_part = sum(one.base.static_g / _total(one.base) for one in found) / len(found)
    floor_pct = 2 * noise.dynamic_co2_pct * (1 - static_part)
    changes = _user_changes(found)
    ranked = sorted(changes, key=lambda user: (user.wait_change_s * user.jobs, user.user))
    worse = [user for user in ranked if user.wait_change_s > UNCHANGED_S]
    better = [user for user in ranked if user.wait_change_s < -UNCHANGED_S]
    return Effect(
        name,
        varies,
        total,
        dynamic,
        saved(lambda side: side.static_g),
        saved(lambda side: side.static_kwh + side.dynamic_kwh),
        estimate((_total(one.base) - _total(one.side)) / 1e3 for one in found),
        estimate(_pct(one.adopters.jobs, one.adopters.jobs + one.others.jobs) for one in found),
        estimate(_pct(one.adopters.core_hours, one.adopters.core_hours + one.others.core_hours) for one in found),
        _where(found, lambda one: one.adopters.jobs > 0, lambda one: one.adopters.wait_s - one.adopters.base_wait_s),
        _where(found, lambda one: one.others.jobs > 0, lambda one: one.others.wait_s - one.others.base_wait_s),
        _where(
            found,
            lambda one: one.others.base_wait_s > 0,
            lambda one: _pct(one.others.wait_s - one.others.base_wait_s, one.others.base_wait_s),
        ),
        estimate(one.side.mean_turnaround_s - one.base.mean_turnaround_s for one in found),
        _where(
            found,
            lambda one: _added_hours(one) > 0,
            lambda one: (_total(one.base) - _total(one.side)) / _added_hours(one),
        ),
        estimate(one.side.boots for one in found),
        estimate(one.held_hours for one in found),
        len(better),
        len(worse),
        len(changes) - len(better) - len(worse),
        tuple(better[:SHOWN_USERS]),
        tuple(reversed(worse[-SHOWN_USERS:])),
        total.is_clear and abs(total.mean) > floor_pct,
    )


def _where(
    found: Sequence[Comparison], holds: Callable[[Comparison], bool], value: Callable[[Comparison], float]
) -> Estimate | None:
    return estimate(map(value, found)) if all(map(holds, found)) else None


def _total(side: Side) -> float:
    return side.static_g + side.dynamic_g


def _added_hours(one: Comparison) -> float:
    jobs = one.adopters.jobs + one.others.jobs
    return (one.side.mean_turnaround_s - one.base.mean_turnaround_s) * jobs / 3600


def _pct(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _user_changes(found: Sequence[Comparison]) -> list[UserChange]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for one in found:
        for row in one.users:
            total = sums[row.user]
            for index, value in enumerate(
                (row.jobs, row.adopting_jobs, row.wait_s - row.base_wait_s, row.base_g - row.g)
            ):
                total[index] += value
    seeds = len(found)
    return [
        UserChange(user, jobs / seeds, taking / jobs, wait / jobs, saved / seeds)
        for user, (jobs, taking, wait, saved) in sorted(sums.items())
    ]
