"""Who takes part: users, not jobs. Seeded, so that the same people take part in every scenario of a seed.

In each period (a week, say) a user takes part or not. Users are drawn with the probability
``rate × incentive``; one who takes part stays for the next period with the probability ``persistence``,
and others join at the pace that keeps the share. Each user has random numbers of their own: whoever takes
part at 10 % does so at 25 % as well, and another user more or less changes nobody else.

Priors (simulation.md §6): voluntary offers reach 5–30 % of users; telling people their energy changed
nothing, charging for it did (Kamatar et al., arXiv 2501.09557), which is what ``incentive`` stands for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vispa_green_sim.errors import SimulationError
from vispa_green_sim.workload import Workload


class AdoptionError(SimulationError):
    """Nobody can say who takes part."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """How many users take part, and how faithfully."""

    rate: float = 1.0
    persistence: float = 1.0
    period_days: float = 7.0
    incentive: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1 or not 0 <= self.persistence <= 1:
            raise AdoptionError(f"rate {self.rate} and persistence {self.persistence} are parts, from 0 to 1")
        if self.period_days <= 0 or self.incentive < 0:
            raise AdoptionError("period_days is positive, incentive 0 or more")

    @property
    def probability(self) -> float:
        """That a user takes part in a period."""
        return min(1.0, self.rate * self.incentive)


def adopters(workload: Workload, adoption: Adoption, seed: int) -> npt.NDArray[np.bool_]:
    """Say of each job whether its user takes part when it is submitted.

    Raise `AdoptionError` if some would and some would not but the history names no users.
    """
    jobs, chance = len(workload), adoption.probability
    if chance in {0.0, 1.0} or not jobs:
        return np.full(jobs, chance == 1.0)
    if not len(workload.user):
        raise AdoptionError(f"{workload.name} names no users; use a history with users, or a rate of 0 or 1")
    submitted = np.asarray(workload.submit_s, dtype=np.int64)
    period = ((submitted - submitted[0]) / (adoption.period_days * 86_400)).astype(np.int64)
    names, whose = np.unique(np.asarray(workload.user), return_inverse=True)
    periods = int(period[-1]) + 1
    table = np.array([_life(str(name), adoption, periods, seed) for name in names])
    taking: npt.NDArray[np.bool_] = table[whose, period]
    return taking


def _life(user: str, adoption: Adoption, periods: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return in which periods a user takes part."""
    digest = hashlib.blake2b(f"{seed}:{user}".encode(), digest_size=16).digest()
    draws = np.random.default_rng(int.from_bytes(digest, "big")).random(periods)
    chance = adoption.probability
    # Faster turnover than all others joining at once cannot keep the share.
    leaving = min(1 - adoption.persistence, (1 - chance) / chance)
    joining = chance * leaving / (1 - chance)
    taking = np.empty(periods, dtype=np.bool_)
    state = taking[0] = draws[0] < chance
    for index in range(1, periods):
        state = draws[index] >= leaving if state else draws[index] < joining
        taking[index] = state
    return taking
