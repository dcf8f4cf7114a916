"""Power over time by node, stacked: what jobs used, the idle power they carried, the system, the rest of idle. Pure.

Over the time that is known, the area of a stack is what the node measured.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vispa_green.model import JobKey, JobPosting, NodeEnergy
from vispa_green.units import energy_text, percent_text

MOST_BINS = 192
SHORTEST_BIN = timedelta(seconds=1)
JOBS_NAMED = 6
OTHERS, CARRIED, IDLE, SYSTEM = "other jobs", "idle, carried by jobs", "idle", "system"


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal spans of time, one after the other from ``start`` on."""

    start: datetime
    width: timedelta
    count: int

    @classmethod
    def over(cls, start: datetime, end: datetime) -> Bins:
        """Cut ``[start, end)`` into as many bins as can be told apart."""
        count = max(1, min(MOST_BINS, (end - start) // SHORTEST_BIN))
        return cls(start, (end - start) / count, count)

    @property
    def edges(self) -> list[datetime]:
        """Where bins begin, and where the last one ends."""
        return [self.start + i * self.width for i in range(self.count + 1)]

    def parts(self, start: datetime, end: datetime) -> Iterator[tuple[int, float]]:
        """Yield the bins that ``[start, end)`` touches, with the part of it that lies in each."""
        length = max(end - start, timedelta(microseconds=1))
        first = max(0, (start - self.start) // self.width)
        for i in range(first, min(self.count, -((self.start - end) // self.width))):
            begin = self.start + i * self.width
            yield i, (min(end, begin + self.width) - max(start, begin)) / length

    def covered(self, spans: Iterable[tuple[datetime, datetime]]) -> list[float]:
        """Return the part of each bin that lies in any of the spans."""
        covered, until = [0.0] * self.count, self.start
        for begin, end in sorted(spans):
            if end > until:
                fresh = max(begin, until)
                for i, part in self.parts(fresh, end):
                    covered[i] += part * ((end - fresh) / self.width)
                until = end
        return covered


@dataclass(frozen=True, slots=True)
class NodePower:
    """The mean power in W of one node in the ``known`` part of each bin, 0 to 1, by what it was used for."""

    node: str
    bins: Bins
    series: tuple[tuple[str, tuple[float, ...]], ...]
    known: tuple[float, ...]
    measured_uj: int
    jobs_uj: int

    @property
    def peak_w(self) -> float:
        """The highest bin."""
        return max(map(sum, zip(*(values for _, values in self.series), strict=True)), default=0.0)

    @property
    def words(self) -> str:
        """What the picture says, in one sentence."""
        jobs = [label for label, _ in self.series if label not in {OTHERS, CARRIED, IDLE, SYSTEM}]
        most = f"; most used {', '.join(jobs[:3])}" if jobs else ""
        share = percent_text(self.jobs_uj / self.measured_uj if self.measured_uj else 0)
        return f"{energy_text(self.measured_uj)} measured, {share} of it for jobs, at most {self.peak_w:.0f} W{most}."


def node_powers(
    energies: Iterable[NodeEnergy],
    postings: Iterable[JobPosting],
    names: Mapping[JobKey, str],
    start: datetime,
    end: datetime,
) -> list[NodePower]:
    """Return the power of every node over ``[start, end)``, the one that did most for jobs first.

    ``postings`` are those of the same time; ``names`` are the ids to show for jobs.
    """
    of_node: defaultdict[str, list[NodeEnergy]] = defaultdict(list)
    charged: defaultdict[str, list[JobPosting]] = defaultdict(list)
    for energy in energies:
        of_node[energy.node].append(energy)
    for posting in postings:
        charged[posting.node].append(posting)
    bins = Bins.over(start, end)
    found = [_node_power(node, own, charged[node], names, bins) for node, own in of_node.items()]
    return sorted(found, key=lambda power: (-power.jobs_uj, -power.measured_uj, power.node))


def _node_power(
    node: str,
    energies: Sequence[NodeEnergy],
    postings: Sequence[JobPosting],
    names: Mapping[JobKey, str],
    bins: Bins,
) -> NodePower:
    used: defaultdict[JobKey, int] = defaultdict(int)
    for posting in postings:
        used[posting.key] += posting.busy_uj
    largest = sorted(used, key=lambda job: (-used[job], job.job_id))[:JOBS_NAMED]
    label = {job: f"job {names.get(job, job.job_id)}" for job in largest}
    series = {name: [0.0] * bins.count for name in [*label.values(), OTHERS, CARRIED, SYSTEM, IDLE]}
    known = bins.covered({(energy.start, energy.end) for energy in energies})
    # µJ per µs is W. Nothing was measured in a bin of which nothing is known: any divisor does.
    known_us = [part * bins.width.total_seconds() * 1e6 or math.inf for part in known]
    for posting in postings:
        busy = series[label.get(posting.key, OTHERS)]
        for i, part in bins.parts(posting.start, posting.end):
            busy[i] += posting.busy_uj * part / known_us[i]
            series[CARRIED][i] += posting.idle_uj * part / known_us[i]
    for energy in energies:
        for i, part in bins.parts(energy.start, energy.end):
            series[SYSTEM][i] += energy.system_uj * part / known_us[i]
            series[IDLE][i] += energy.idle_uj * part / known_us[i]
    return NodePower(
        node,
        bins,
        tuple((name, tuple(values)) for name, values in series.items() if any(values)),
        tuple(known),
        sum(energy.measured_uj for energy in energies),
        sum(energy.jobs_uj for energy in energies),
    )
