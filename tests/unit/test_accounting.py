"""The arithmetic of energy: nothing lost, nothing made, nothing guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.accounting import split_exact
from vispa_green.errors import UnbalancedEntry
from vispa_green.model import Component, EnergyEntry, JobShare, Quality

WEIGHTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=20).filter(any)


@given(st.integers(0, 10**15), WEIGHTS)
def test_parts_sum_to_the_whole(total: int, weights: list[int]) -> None:
    assert sum(split_exact(total, weights)) == total


@given(st.integers(0, 10**15), WEIGHTS)
def test_a_part_is_within_one_of_its_share(total: int, weights: list[int]) -> None:
    for part, weight in zip(split_exact(total, weights), weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_no_weight_no_energy(total: int, weight: int) -> None:
    assert split_exact(total, [weight, 0]) == [total, 0]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(-3, 3).filter(bool))
def test_an_unbalanced_entry_cannot_be_made(busy: int, idle: int, system: int, fault: int) -> None:
    parts = (JobShare("1", busy),)
    EnergyEntry(Component.CPU, "d", Quality.MEASURED, busy + idle + system, idle, system, parts)
    with pytest.raises(UnbalancedEntry):
        EnergyEntry(Component.CPU, "d", Quality.MEASURED, busy + idle + system + fault, idle, system, parts)


def test_parts_are_never_negative() -> None:
    with pytest.raises(UnbalancedEntry):
        EnergyEntry(Component.CPU, "d", Quality.MEASURED, 0, idle_uj=5, system_uj=-5)
