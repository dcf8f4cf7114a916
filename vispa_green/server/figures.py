"""What the server can be measured by: one list of names, counted here, told in Prometheus' text format."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from vispa_green.model import QUARTER, Component, Instant, Ledger, NodeEnergy, Quantity, SpooledInterval

Labels = tuple[tuple[str, str], ...]


class Figure(NamedTuple):
    """A metric: its name, what Prometheus calls its type, and what it says."""

    name: str
    type: str
    says: str


INGESTED = Figure(
    "vispa_green_ingest_intervals_total", "counter", "Intervals that agents delivered and that were new."
)
REFUSED = Figure("vispa_green_ingest_refused_total", "counter", "Deliveries of agents that were refused, by reason.")
REQUESTS = Figure("vispa_green_requests_total", "counter", "Requests by status.")
AGE = Figure("vispa_green_agent_last_interval_age_seconds", "gauge", "Time since the end of a node's last interval.")
POWER = Figure("vispa_green_power_watts", "gauge", "Mean power of a node's component in its last interval.")
GRID_AGE = Figure("vispa_green_grid_age_seconds", "gauge", "Time since the newest grid value was fetched.")
DIFFERENCE = Figure(
    "vispa_green_ledger_balance_difference_uj", "gauge", "Measured minus posted energy: 0, or the ledger is broken."
)
FIGURES = (INGESTED, REFUSED, REQUESTS, AGE, POWER, GRID_AGE, DIFFERENCE)
"""All of them; dashboards and alerts name no other."""

SEEN_SINCE = 4 * QUARTER
DIFFERENCE_HOLDS_S = 300


@dataclass(frozen=True, slots=True)
class LastSeen:
    """The end of a node's newest interval, and its power by component."""

    end: datetime
    watts: Mapping[Component, float]


class Tally:
    """Counts what happens, and remembers of each node its newest interval."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._nodes: dict[str, LastSeen] = {}
        self._difference: tuple[Instant, int] | None = None

    def count(self, figure: Figure, by: int = 1, **labels: str) -> None:
        """Count on."""
        with self._turn:
            self._counts[figure.name, tuple(sorted(labels.items()))] += by

    def delivered(self, new: int, intervals: Iterable[SpooledInterval]) -> None:
        """Note what an agent delivered."""
        self.count(INGESTED, new)
        with self._turn:
            for item in intervals:
                one = item.interval
                if one.duration_us and (one.node not in self._nodes or self._nodes[one.node].end < one.end):
                    watts: Counter[Component] = Counter()
                    for entry in one.entries:
                        watts[entry.component] += entry.measured_uj or 0
                    power = {component: energy_uj / one.duration_us for component, energy_uj in watts.items()}
                    self._nodes[one.node] = LastSeen(one.end, power)

    def recall(self, energies: Iterable[NodeEnergy]) -> None:
        """Learn of nodes from the ledger: for a server that has just started."""
        with self._turn:
            for one in energies:
                seconds = (one.end - one.start).total_seconds()
                known = self._nodes.get(one.node)
                if seconds <= 0 or (known is not None and known.end > one.end):
                    continue
                before = dict(known.watts) if known is not None and known.end == one.end else {}
                watts = before.get(one.component, 0.0) + one.measured_uj / 1e6 / seconds
                self._nodes[one.node] = LastSeen(one.end, before | {one.component: watts})

    def text(self, ledger: Ledger, at: Instant) -> str:
        """Return all of it as Prometheus reads it."""
        difference = self._ledgers_difference(ledger, at)
        with self._turn:
            counts, nodes = dict(self._counts), dict(self._nodes)
        values: dict[str, list[tuple[Labels, float]]] = {figure.name: [] for figure in FIGURES}
        for (name, labels), number in sorted(counts.items()):
            values[name].append((labels, number))
        for node, seen in sorted(nodes.items()):
            values[AGE.name].append(((("node", node),), (at.utc - seen.end).total_seconds()))
            values[POWER.name] += [
                ((("component", component.value), ("node", node)), watts) for component, watts in seen.watts.items()
            ]
        values[GRID_AGE.name] += [((), age_s) for age_s in _grid_age_s(ledger, at.utc)]
        values[DIFFERENCE.name].append(((), difference))
        return "".join(_lines(figure, values[figure.name]) for figure in FIGURES)

    def _ledgers_difference(self, ledger: Ledger, at: Instant) -> int:
        """Return the sum of all differences; it reads all roll-ups, so not at every scrape."""
        with self._turn:
            known = self._difference
        if known is None or at.monotonic_ns - known[0].monotonic_ns > DIFFERENCE_HOLDS_S * 1_000_000_000:
            known = at, sum(abs(row.difference_uj) for row in ledger.energy.balance())
            with self._turn:
                self._difference = known
        return known[1]


def _grid_age_s(ledger: Ledger, at: datetime) -> list[float]:
    values = ledger.grid.values(Quantity.CARBON_INTENSITY, at - SEEN_SINCE, at + SEEN_SINCE)
    fetched = [value.fetched_at for value in values]
    return [(at - max(fetched)).total_seconds()] if fetched else []


def _lines(figure: Figure, values: Iterable[tuple[Labels, float]]) -> str:
    head = f"# HELP {figure.name} {figure.says}\n# TYPE {figure.name} {figure.type}\n"
    return head + "".join(f"{figure.name}{_labels(labels)} {value!r}\n" for labels, value in values)


def _labels(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
