"""What no rule can beat: the most CO2 that volunteers' delays can save on a machine of this size.

The others' jobs stay where they ran without interventions; each volunteer's job may start, in one piece, at any
time from its submission to its old start plus the slack, on what the others leave of the machine. Finding
the best of all such schedules is hard, bounding it is not: put a price on each hour's capacity and let
every job choose its cheapest start alone. For any prices the sum of the costs less the value of the
capacity is not above the cost of any schedule that fits (weak duality), so the result is a bound however
well the prices were found. Prices are sought by subgradient steps (Polyak's, towards a target).

It assumes what no production system has (the future, exact run times), and that the power of a busy
processor is the same for all. A rule that makes the others move, or starts a job later than its old start
plus the slack, is not in that set of schedules, so in principle it may lie above the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vispa_green_sim.grid import GridClock
from vispa_green_sim.result import Run

HOUR_S = 3600
STEPS = 150
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound on ``CO2 + price × waiting`` of the volunteers, as savings against the run without interventions."""

    price: float
    """Of a second's delay of one job, in processor-seconds × g/kWh."""
    most_saved_pct: float
    """At this price: saved CO2 in % of all jobs' CO2, less the price of the added waiting."""
    uncontended_pct: float
    """The same if the machine had no limit: what estimates without a queue promise."""

    def at(self, added_s: float, jobs: int, total: float) -> float:
        """Return the bound in % on what is saved for a mean added wait of ``jobs`` volunteers' jobs.

        ``total`` is the CO2 of the run without interventions, in processor-seconds × g/kWh.
        """
        return self.most_saved_pct + 100 * self.price * added_s * jobs / total


@dataclass(frozen=True, slots=True)
class Problem:
    """Volunteers' jobs, the capacity that is theirs in each hour, and the grid."""

    run_s: Integers = field(repr=False)
    processors: Integers = field(repr=False)
    submit_s: Integers = field(repr=False)
    old_start_s: Integers = field(repr=False)
    starts_s: Integers = field(repr=False)
    """All starts worth considering of all jobs, job after job."""
    owner: Integers = field(repr=False)
    first: Integers = field(repr=False)
    """Where each job's starts begin in ``starts_s``."""
    edges_s: Integers = field(repr=False)
    intensity_area: Floats = field(repr=False)
    """∫ intensity dt up to each edge."""
    room: Floats = field(repr=False)
    """Processor-seconds of each hour that the others leave."""
    total: float
    """CO2 of all jobs without interventions, processor-seconds × g/kWh."""

    @classmethod
    def of(cls, run: Run, adopts: npt.NDArray[np.bool_], grid: GridClock, slack_s: int) -> Problem:
        """Return the problem of a run without interventions."""
        submit, start, end = np.asarray(run.workload.submit_s, dtype=np.int64), run.start_s, run.end_s
        processors = np.asarray(run.workload.processors, dtype=np.int64)
        begin = int(submit[0]) // HOUR_S * HOUR_S
        edges = np.arange(begin, int(end.max()) + slack_s + 2 * HOUR_S, HOUR_S, dtype=np.int64)
        area = grid.cumulative(edges)
        others = _load(start[~adopts], end[~adopts], processors[~adopts], edges)
        starts, owner = _starts(submit[adopts], start[adopts] + slack_s, (end - start)[adopts], begin)
        return cls(
            (end - start)[adopts],
            processors[adopts],
            submit[adopts],
            start[adopts].copy(),
            starts,
            owner,
            np.flatnonzero(np.diff(owner, prepend=-1)),
            edges,
            area,
            run.machine.processors * HOUR_S - others,
            float((processors * (np.interp(end, edges, area) - np.interp(start, edges, area))).sum()),
        )

    def co2(self, starts_s: Integers) -> float:
        """Return the volunteers' CO2 with these starts."""
        return float(self._cost(starts_s, slice(None), self.intensity_area).sum())

    def cheapest(self, prices: Floats, wait_price: float) -> tuple[float, Integers]:
        """Return the least cost of all jobs, each on its own, and their starts; ``prices`` per processor-second."""
        area = self.intensity_area + np.concatenate(([0.0], np.cumsum(prices * HOUR_S)))
        costs = self._cost(self.starts_s, self.owner, area) + wait_price * (self.starts_s - self.submit_s[self.owner])
        least = np.minimum.reduceat(costs, self.first)
        chosen = np.flatnonzero(costs <= least[self.owner])
        _, earliest = np.unique(self.owner[chosen], return_index=True)
        return float(least.sum()), self.starts_s[chosen[earliest]]

    def load(self, starts_s: Integers) -> Floats:
        """Return the volunteers' processor-seconds in each hour."""
        return _load(starts_s, starts_s + self.run_s, self.processors, self.edges_s)

    def _cost(self, starts_s: Integers, owner: Integers | slice, area: Floats) -> Floats:
        begin = np.interp(starts_s, self.edges_s, area)
        cost: Floats = self.processors[owner] * (np.interp(starts_s + self.run_s[owner], self.edges_s, area) - begin)
        return cost


def bound(problem: Problem, wait_price: float = 0.0, steps: int = STEPS) -> Bound:
    """Return the best bound found in so many steps; ``wait_price`` as in `Bound.price`."""
    old = problem.co2(problem.old_start_s) + wait_price * float((problem.old_start_s - problem.submit_s).sum())
    prices = np.zeros(len(problem.room))
    best, uncontended, ambition = -np.inf, 0.0, 0.5
    since = 0
    for step in range(steps):
        least, starts = problem.cheapest(prices, wait_price)
        value = least - float((prices * problem.room).sum())
        if step == 0:
            uncontended = value
        best, since = (value, 0) if value > best else (best, since + 1)
        if since >= 5:
            ambition, since = ambition / 2, 0
        excess = problem.load(starts) - problem.room
        uphill = np.where((prices > 0) | (excess > 0), excess, 0.0)
        if not (norm := float((uphill**2).sum())):
            break
        length = (best + ambition * (old - uncontended) * 0.2 - value) / norm
        prices = np.maximum(0.0, prices + length * uphill)
    part = 100 / problem.total
    return Bound(wait_price, part * (old - best), part * (old - uncontended))


def _starts(submit_s: Integers, latest_s: Integers, run_s: Integers, begin_s: int) -> tuple[Integers, Integers]:
    """Return the starts at which a cost that is linear within each hour can be least, and whose they are."""
    starts, owners = [], []
    jobs = np.arange(len(submit_s))
    for shift in (np.zeros_like(run_s), run_s):  # the start meets the hour, the end does
        first = -(-(submit_s + shift - begin_s) // HOUR_S)
        count = np.maximum(0, (latest_s + shift - begin_s) // HOUR_S - first + 1)
        owner = np.repeat(jobs, count)
        nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        starts.append(begin_s + (first[owner] + nth) * HOUR_S - shift[owner])
        owners.append(owner)
    all_starts = np.concatenate((submit_s, latest_s, *starts))
    all_owners = np.concatenate((jobs, jobs, *owners))
    order = np.lexsort((all_starts, all_owners))
    return all_starts[order], all_owners[order]


def _load(start_s: Integers, end_s: Integers, processors: Integers, edges_s: Integers) -> Floats:
    """Return the processor-seconds in each hour."""
    times = np.concatenate((start_s, end_s))
    order = np.argsort(times, kind="stable")
    times, changes = times[order], np.concatenate((processors, -processors))[order]
    level = np.concatenate(([0], np.cumsum(changes)))
    area = np.concatenate(([0.0], np.cumsum(level[1:-1] * np.diff(times)))) if len(times) else np.zeros(1)
    until: Floats = np.interp(edges_s, times, area) if len(times) else np.zeros(len(edges_s))
    return np.diff(until)
