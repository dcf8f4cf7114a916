"""Grid series as step functions: preference, gaps, exact means, grams."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.carbon import GridSignal, carbon_of, grams
from vispa_green.errors import NotCovered
from vispa_green.model import Component, GridKind, GridValue, JobKey, JobPosting, Quality, Quantity

T0 = datetime(2026, 6, 1, tzinfo=UTC)
CO2, SHARE = Quantity.CARBON_INTENSITY, Quantity.RENEWABLE_SHARE


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def value(
    start: float,
    end: float,
    number: float,
    kind: GridKind = GridKind.FORECAST,
    source: str = "a",
    issued: float = 0,
) -> GridValue:
    return GridValue(CO2, kind, at(start), at(end), number, source, at(issued), at(issued))


@st.composite
def values(draw: st.DrawFn) -> list[GridValue]:
    return [
        value(
            start := draw(st.integers(0, 100)),
            start + draw(st.integers(1, 40)),
            draw(st.integers(0, 900)),
            draw(st.sampled_from(GridKind)),
            draw(st.sampled_from("abc")),
            draw(st.integers(0, 5)),
        )
        for _ in range(draw(st.integers(0, 12)))
    ]


def naive(known: list[GridValue], minute: int) -> float | None:
    """The rule, said once more, one minute at a time."""
    here = [v for v in known if v.start <= at(minute) < v.end]
    rank = lambda v: (v.kind is GridKind.FORECAST, "abc".index(v.source), -v.issued_at.timestamp(), v.end - v.start)  # noqa: E731
    return min(here, key=rank).value if here else None


@given(values(), st.integers(0, 150), st.integers(1, 60))
def test_a_mean_is_the_mean_of_the_preferred_values_or_not_known(
    known: list[GridValue], start: int, minutes: int
) -> None:
    signal = GridSignal.from_values(known, CO2, "abc")
    by_minute = [naive(known, start + minute) for minute in range(minutes)]
    present = [number for number in by_minute if number is not None]
    mean, fraction = signal.known_part(at(start), at(start + minutes))
    assert fraction == pytest.approx(len(present) / minutes)
    assert signal.covers(at(start), at(start + minutes)) == (len(present) == minutes)
    if len(present) == minutes:
        assert signal.mean(at(start), at(start + minutes)) == pytest.approx(sum(present) / minutes)
    else:
        assert mean == (pytest.approx(sum(present) / len(present)) if present else None)
        with pytest.raises(NotCovered):
            signal.mean(at(start), at(start + minutes))


def test_equals_differ_by_nothing_but_their_order_of_arrival() -> None:
    known = [value(0, 15, 1, issued=1), value(0, 15, 2, issued=2), value(0, 15, 3, source="b", issued=9)]
    shuffled = random.Random(1).sample(known, 3)
    assert GridSignal.from_values(shuffled, CO2, ["a"]).mean(at(0), at(15)) == 2
    assert GridSignal.from_values(shuffled, CO2, ["b"]).mean(at(0), at(15)) == 3
    assert GridSignal.from_values(shuffled, CO2, ["z"]).mean(at(0), at(15)) == 3, "unnamed: the latest issue"


def test_a_measured_value_wins_over_a_newer_forecast() -> None:
    signal = GridSignal.from_values([value(0, 15, 1, GridKind.MEASURED), value(0, 60, 9, issued=7)], CO2)
    assert signal.mean(at(0), at(30)) == 5
    assert signal.edges == (at(0), at(15), at(60))


def test_one_missing_microsecond_is_not_covered() -> None:
    signal = GridSignal.from_values([value(0, 60 * 24 * 365, 400)], CO2)
    with pytest.raises(NotCovered):
        signal.mean(at(0), at(60 * 24 * 365) + timedelta(microseconds=1))


def test_a_moment_has_a_value_and_the_end_does_not_belong() -> None:
    signal = GridSignal.from_values([value(0, 15, 400)], CO2)
    assert signal.mean(at(0), at(0)) == 400
    with pytest.raises(NotCovered):
        signal.mean(at(15), at(15))


def test_times_of_other_zones_are_the_same_times() -> None:
    signal = GridSignal.from_values([value(0, 60, 1), value(60, 120, 3)], CO2)
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    assert signal.mean(at(0).astimezone(berlin), at(120)) == 2


def test_one_kilowatt_hour_at_400_g_is_400_g() -> None:
    signal = GridSignal.from_values([value(0, 60, 400)], CO2)
    assert grams(3_600_000_000_000, at(0), at(60), signal) == 400
    with pytest.raises(ValueError, match="not renewable"):
        grams(1, at(0), at(1), GridSignal.from_values([], SHARE))


def posting(start: float, end: float, busy_uj: int) -> JobPosting:
    return JobPosting(JobKey("lab", "1", None), "n1", Component.CPU, Quality.MEASURED, at(start), at(end), busy_uj, 0)


def test_unknown_hours_shrink_what_is_covered_and_add_no_gram() -> None:
    signal = GridSignal.from_values([value(0, 60, 400)], CO2)
    kwh = 3_600_000_000_000
    known = carbon_of([posting(0, 60, kwh), posting(60, 120, kwh)], signal)
    assert (known.grams, known.covered_fraction, known.mean_g_per_kwh) == (400, 0.5, 400)
    half = carbon_of([posting(30, 90, kwh)], signal)
    assert (half.grams, half.covered_fraction) == (200, 0.5)
    nothing = carbon_of([posting(120, 180, kwh)], signal)
    assert (nothing.covered_fraction, nothing.mean_g_per_kwh) == (0, None)
    assert carbon_of([], signal).covered_fraction is None


def test_the_same_energy_elsewhere_is_weighed_elsewhere() -> None:
    signal = GridSignal.from_values([value(0, 60, 400), value(60, 120, 100)], CO2)
    later = [posting(60, 120, 3_600_000_000_000)]
    assert carbon_of(later, signal).grams == 100
    assert carbon_of(later, signal, timedelta(hours=-1)).grams == 400
