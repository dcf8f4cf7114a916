"""Laws of what readings may be: whatever a counter shows, no more is measured than its device can have drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.readings import (
    SLACK_NS,
    DeviceReading,
    Difference,
    LastReading,
    difference,
    possible_uj,
    remembered,
)
from vispa_green.errors import ImplausibleReading
from vispa_green.model import Component, Quality

SECOND_NS = 1_000_000_000
MODULI = st.sampled_from([None, 0, 1, 2, 65_712_999_614, 262_143_328_851])
WATTS = st.integers(1, 1000)


def reading(value_uj: int | None, at_ns: int, modulus_uj: int | None, watts: int) -> DeviceReading:
    return DeviceReading(Component.CPU, "d", Quality.MEASURED, modulus_uj, None, watts, value_uj, at_ns)


def follow(values: Iterable[tuple[int, int | None]], modulus_uj: int | None, watts: int) -> list[Difference | str]:
    """Read a counter at those times; return what each reading gave, a difference or why there is none."""
    last: LastReading | None = None
    found: list[Difference | str] = []
    for at_ns, value_uj in values:
        now = reading(value_uj, at_ns, modulus_uj, watts)
        if last is not None and value_uj is not None:
            try:
                found.append(difference(last, now))
            except ImplausibleReading as error:
                found.append(str(error))
        last = remembered(last, now)
    return found


def measured_uj(found: Sequence[Difference | str]) -> int:
    return sum(one.energy_uj for one in found if isinstance(one, Difference))


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**64), 2**64),
    st.integers(0, 262_143_328_850),
    st.integers(0, 10**6),
    st.integers(262_143_328_850 - 10**6, 262_143_328_850),
)


@given(
    steps=st.lists(st.tuples(st.integers(0, 200 * SECOND_NS), VALUES), max_size=30),
    modulus_uj=MODULI,
    watts=WATTS,
)
def test_no_sequence_of_readings_is_more_than_the_device_can_draw(
    steps: list[tuple[int, int | None]], modulus_uj: int | None, watts: int
) -> None:
    at_ns, values = 0, []
    for elapsed_ns, value_uj in steps:
        at_ns += elapsed_ns
        values.append((at_ns, value_uj))
    found = follow(values, modulus_uj, watts)
    assert all(one.energy_uj >= 0 for one in found if isinstance(one, Difference))
    assert measured_uj(found) <= watts * (at_ns + len(found) * SLACK_NS) // 1000


ENERGIES = st.lists(st.integers(0, 3_000_000_000), min_size=3, max_size=20)  # ≤ 300 W for 10 s


@given(energies=ENERGIES, start=st.integers(0, 262_143_328_850))
def test_what_was_put_in_comes_out_over_wraps(energies: list[int], start: int) -> None:
    modulus, value, values = 262_143_328_851, start, [(0, start)]
    for i, energy in enumerate(energies):
        value = (value + energy) % modulus
        values.append(((i + 1) * 10 * SECOND_NS, value))
    assert [one.energy_uj for one in follow(values, modulus, 350) if isinstance(one, Difference)] == energies


@given(
    energies=ENERGIES,
    start=st.integers(0, 10**11),
    garbage=st.integers(0, 262_143_328_850),
    where=st.integers(0, 19),
)
def test_one_false_reading_costs_its_interval_and_no_energy(
    energies: list[int], start: int, garbage: int, where: int
) -> None:
    value, values = start, [(0, start)]
    for i, energy in enumerate(energies):
        value += energy
        values.append(((i + 1) * 10 * SECOND_NS, value))
    where = 1 + where % (len(energies) - 1)  # neither the first nor the last
    values[where] = (values[where][0], garbage)
    found = follow(values, 262_143_328_851, 350)
    if garbage > value + possible_uj(350, 20 * SECOND_NS):
        assert measured_uj(found) == sum(energies)
    assert measured_uj(found) <= 350 * (len(energies) * 10 * SECOND_NS + len(found) * SLACK_NS) // 1000


@given(energies=ENERGIES, start=st.integers(10**10, 10**11), where=st.integers(0, 19))
def test_after_a_reset_the_next_interval_measures_again(energies: list[int], start: int, where: int) -> None:
    where %= len(energies) - 1
    value, values = start, [(0, start)]
    for i, energy in enumerate(energies):
        value = energy if i == where else value + energy  # set to zero at the beginning of that interval
        values.append(((i + 1) * 10 * SECOND_NS, value))
    found = follow(values, 262_143_328_851, 350)
    lost = [i for i, one in enumerate(found) if isinstance(one, str)]
    assert lost == [where]
    assert measured_uj(found) == sum(energies) - energies[where]


ROWS = {  # the range, what it showed before, then, and ten seconds later; and what is measured in the end
    "reset 200 kJ to 1 kJ": (262_143_328_850, 200_000_000_000, 1_000_000_000, 1_200_000_000, 200_000_000),
    "reset 500 J to 100 J": (262_143_328_850, 500_000_000, 100_000_000, 300_000_000, 200_000_000),
    "jump of 150 kJ": (262_143_328_850, 10_000_000_000, 160_000_000_000, 160_200_000_000, 200_000_000),
    "2^64 - 1": (262_143_328_850, 10_000_000_000, 2**64 - 1, 10_400_000_000, 400_000_000),
    "above its own range": (262_143_328_850, 10_000_000_000, 262_143_328_851, 10_400_000_000, 400_000_000),
    "one reading of 0": (262_143_328_850, 10_000_000_000, 0, 10_400_000_000, 400_000_000),
    "range 0 and backwards": (0, 500_000_000, 100_000_000, 300_000_000, 200_000_000),
    "range 1 and backwards": (1, 500_000_000, 100_000_000, 300_000_000, 200_000_000),
    "no range and backwards": (None, 500_000_000, 100_000_000, 300_000_000, 200_000_000),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_reading_that_cannot_be_is_a_gap_with_its_reason(row: tuple[int | None, int, int, int, int]) -> None:
    range_uj, *shown, measured = row
    modulus = None if range_uj is None else range_uj + 1
    [gap, used] = follow(zip(range(0, 21 * SECOND_NS, 10 * SECOND_NS), shown, strict=True), modulus, 1000)
    assert isinstance(gap, str)
    assert "false" in gap or "outside" in gap
    assert isinstance(used, Difference)
    assert used.energy_uj == measured


def test_a_counter_is_not_trusted_longer_than_it_takes_to_wrap_twice() -> None:
    values = [(0, 0), (66 * SECOND_NS, 18_480_000_000)]
    assert follow(values, 65_712_999_614, 560) == [Difference(18_480_000_000, 0)]  # a 280 W package says 280 W
    [reason] = follow(values, 65_712_999_614, 1000)
    assert "may have wrapped" in str(reason)


def test_a_range_of_zero_is_a_counter_that_only_grows() -> None:
    assert follow([(0, 5), (SECOND_NS, 1_000_005)], 1, 1000) == [Difference(1_000_000, 0)]
