"""Who takes part: users, seeded, nested, and as faithful as asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from vispa_green_sim.adoption import Adoption, AdoptionError, adopters
from vispa_green_sim.workload import Workload

from tests.simulation.traces import made

USERS, WEEKS = 300, 40


@pytest.fixture(scope="module")
def jobs() -> Workload:
    """One job of each user in each week."""
    rows = [(week * 7 * 86_400 + user, 10, 10, 1) for week in range(WEEKS) for user in range(USERS)]
    return replace(made(rows), user=[f"u{user}" for _ in range(WEEKS) for user in range(USERS)])


def weeks(jobs: Workload, adoption: Adoption, seed: int = 1) -> np.ndarray:
    return adopters(jobs, adoption, seed).reshape(WEEKS, USERS)


def test_a_user_takes_part_as_a_whole(jobs: Workload) -> None:
    """Without turnover a user's jobs are all in or all out, at about the rate."""
    taking = weeks(jobs, Adoption(rate=0.25))
    assert (taking == taking[0]).all()
    assert taking[0].mean() == pytest.approx(0.25, abs=0.08)


def test_nobody_and_everybody(jobs: Workload) -> None:
    """0 and 1 are exact, and need no users."""
    assert not adopters(jobs, Adoption(rate=0), 1).any()
    assert not adopters(jobs, Adoption(rate=0.5, incentive=0), 1).any()
    assert adopters(replace(jobs, user=()), Adoption(rate=1), 1).all()
    assert adopters(jobs, Adoption(rate=0.5, incentive=3, persistence=0.1), 1).all()
    with pytest.raises(AdoptionError, match="names no users; use a history with users"):
        adopters(replace(jobs, user=()), Adoption(rate=0.5), 1)


def test_more_is_the_same_people_and_others(jobs: Workload) -> None:
    """Those of 10 % are among those of 25 %: scenarios of a seed differ by the intervention, not by who is asked."""
    few, more = weeks(jobs, Adoption(rate=0.1)), weeks(jobs, Adoption(rate=0.25))
    assert (more >= few).all()
    assert (weeks(jobs, Adoption(rate=0.1, incentive=2.5)) == more).all()


@pytest.mark.parametrize("persistence", [0.5, 0.9, 0.98])
def test_persistence_is_the_chance_to_stay(jobs: Workload, persistence: float) -> None:
    """Measured over all users and weeks; the share stays at the rate."""
    taking = weeks(jobs, Adoption(rate=0.3, persistence=persistence))
    stayed = (taking[1:] & taking[:-1]).sum() / taking[:-1].sum()
    assert stayed == pytest.approx(persistence, abs=0.03)
    assert taking.mean() == pytest.approx(0.3, abs=0.07)


def test_seeded(jobs: Workload) -> None:
    """The same seed, the same people; another seed, others; a user less changes nobody else."""
    adoption = Adoption(rate=0.4, persistence=0.8)
    assert (weeks(jobs, adoption) == weeks(jobs, adoption)).all()
    assert (weeks(jobs, adoption) != weeks(jobs, adoption, seed=2)).any()
    fewer = jobs.picked([job for job in range(len(jobs)) if jobs.user[job] != "u7"])
    kept = np.array([name != "u7" for name in jobs.user])
    assert (adopters(fewer, adoption, 1) == adopters(jobs, adoption, 1)[kept]).all()
