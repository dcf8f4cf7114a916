"""Where replications are played, one file each; a file defines ``run(task, progress)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vispa_green.registry import Registry
from vispa_green_sim.study.preparing import PreparedStudy
from vispa_green_sim.study.replication import compare, reference_run
from vispa_green_sim.study.store import Store

Progress = Callable[[int, int], None]
"""``progress(replications there, all replications)``"""


@dataclass(frozen=True, slots=True)
class Task:
    """A study to be played: what is not in the store yet."""

    prepared: PreparedStudy
    store: Store
    file: Path
    out: Path
    workers: int
    sbatch: tuple[str, ...] = ()
    """More options for sbatch, e.g. ``--partition=long``."""

    @property
    def total(self) -> int:
        """The number of replications."""
        return len(self.prepared.seeds) * len(self.prepared.scenarios)

    @property
    def open_seeds(self) -> list[int]:
        """The seeds with a missing replication."""
        kinds = self.prepared.scenarios
        return [seed for seed in self.prepared.seeds if not all(self.store.has(kind, seed) for kind in kinds)]

    def done(self) -> int:
        """Return how many replications are there."""
        return sum(self.store.has(kind, seed) for seed in self.prepared.seeds for kind in self.prepared.scenarios)


PLACES: Registry[None] = Registry("place to run", __name__, "run")


def play_seed(prepared: PreparedStudy, store: Store, seed: int) -> None:
    """Play all missing scenarios of a seed; its reference run once."""
    missing = [scenario for scenario in prepared.scenarios if not store.has(scenario, seed)]
    if missing:
        base = reference_run(prepared, seed)
        for scenario in missing:
            store.put(scenario, compare(prepared, base, scenario))


def slice_of(seeds: Sequence[int], part: int, parts: int) -> Sequence[int]:
    """Return every ``parts``-th seed from ``part``: what one of several workers plays."""
    return seeds[part::parts]
