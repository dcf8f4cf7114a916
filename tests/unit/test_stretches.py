"""The stretches are the cheapest there are, suffice for the work, and never cost the deadline."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vispa_green.energy.carbon import GridSignal
from vispa_green.model import GridKind, GridValue, Quantity
from vispa_green.shifting.stretches import PausableWork, Stretch, Terms, cheapest, stretches

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CO2, SHARE = Quantity.CARBON_INTENSITY, Quantity.RENEWABLE_SHARE
SLOT = timedelta(minutes=5)
"""The resolution with the usual restart of ten minutes, up to eight hours of work."""

prices = some.lists(some.integers(0, 700), min_size=1, max_size=13)
terms = some.builds(Terms, some.integers(1, 7), some.integers(0, 2), some.integers(1, 3))


def series(numbers: list[float | None], step: timedelta = SLOT, quantity: Quantity = CO2) -> GridSignal:
    values = [
        GridValue(quantity, GridKind.FORECAST, NOW + i * step, NOW + (i + 1) * step, number, "x", NOW, NOW)
        for i, number in enumerate(numbers)
        if number is not None
    ]
    return GridSignal.from_values(values, quantity)


def runs(pattern: tuple[bool, ...]) -> list[tuple[bool, int, int]]:
    """Write a pattern as (on or off, first, last)."""
    found, start = [], 0
    for on, group in itertools.groupby(pattern):
        length = len(list(group))
        found.append((on, start, start + length))
        start += length
    return found


def is_allowed(pattern: tuple[bool, ...], wanted: Terms) -> bool:
    """Say whether a pattern does just the work, in stretches and pauses that are not too short."""
    pieces = runs(pattern)
    on = [(first, last) for is_on, first, last in pieces if is_on]
    done = sum(last - first for first, last in on) - wanted.restart * (len(on) - 1)
    long_enough = all(
        last - first >= (wanted.later if number else wanted.first) for number, (first, last) in enumerate(on)
    )
    before = [(first, last) for is_on, first, last in pieces if not is_on and last < len(pattern)]
    return (
        bool(on)
        and done == wanted.work
        and long_enough
        and all(last - first >= wanted.shortest for first, last in before)
    )


def cost(numbers: list[int], found: list[tuple[int, int]]) -> int:
    return sum(sum(numbers[first:last]) for first, last in found)


@given(prices, terms)
def test_no_allowed_pattern_is_cheaper(numbers: list[int], wanted: Terms) -> None:
    allowed = [
        [(first, last) for on, first, last in runs(pattern) if on]
        for pattern in itertools.product([False, True], repeat=len(numbers))
        if is_allowed(pattern, wanted)
    ]
    if len(numbers) < wanted.work:
        assert not allowed
        return
    found = cheapest(numbers, wanted)
    assert found in allowed
    assert cost(numbers, found) == min(cost(numbers, other) for other in allowed)


work = some.builds(
    PausableWork,
    left=some.integers(1, 300).map(lambda minutes: timedelta(minutes=minutes)),
    finish_by=some.integers(-60, 900).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    restart=some.integers(2, 10).map(lambda minutes: timedelta(minutes=minutes)),
)
grids = some.lists(some.one_of(some.none(), some.floats(0, 700)), max_size=150)


def done(found: tuple[Stretch, ...], restart: timedelta) -> timedelta:
    return sum((s.end - s.start for s in found), timedelta(0)) - restart * (len(found) - 1)


@given(work, grids, some.sampled_from([CO2, SHARE]))
def test_the_work_gets_done_in_time_or_runs_through(
    wanted: PausableWork, numbers: list[float | None], quantity: Quantity
) -> None:
    found = stretches(wanted, NOW, series(numbers, quantity=quantity))
    assert done(found, wanted.restart) >= wanted.left
    assert all(s.start < s.end for s in found)
    assert all(before.end + 3 * wanted.restart <= after.start for before, after in itertools.pairwise(found))
    through = (Stretch(NOW, NOW + wanted.left),)
    assert found == through or found[-1].end <= wanted.finish_by
    if wanted.finish_by - NOW <= wanted.left or all(number is None for number in numbers):
        assert found == through


def total(signal: GridSignal, found: tuple[Stretch, ...]) -> float:
    return sum(signal.mean(s.start, s.end) * (s.end - s.start).total_seconds() for s in found)


@given(some.lists(some.floats(0, 700), min_size=40, max_size=120), some.integers(6, 30), some.data())
def test_no_window_in_one_piece_is_greener(numbers: list[float], slots: int, data: some.DataObject) -> None:
    """Steps of the grid are slots here, so the greenest window begins with one."""
    signal = series(list(numbers))
    wanted = PausableWork(slots * SLOT, NOW + len(numbers) * SLOT)
    found = stretches(wanted, NOW, signal)
    start = NOW + data.draw(some.sampled_from([0, *range(6, len(numbers) - slots)])) * SLOT
    assert total(signal, found) <= total(signal, (Stretch(start, start + wanted.left),)) * (1 + 1e-9) + 1e-6


@given(some.lists(some.floats(0, 700), min_size=60, max_size=120), some.integers(6, 30), some.integers(0, 30))
def test_a_later_deadline_never_costs_more(numbers: list[float], slots: int, later: int) -> None:
    signal = series(list(numbers))
    end = len(numbers) - 30
    tight, wide = (
        total(signal, stretches(PausableWork(slots * SLOT, NOW + last * SLOT), NOW, signal))
        for last in (end, end + later)
    )
    assert wide <= tight * (1 + 1e-9) + 1e-6


HOURS = [100.0] * 2 + [500.0] * 3 + [90.0] * 2 + [500.0] * 20


def hours(*numbers: float) -> tuple[datetime, ...]:
    return tuple(NOW + timedelta(hours=number) for number in numbers)


@pytest.mark.parametrize("quantity", [CO2, SHARE])
def test_a_closed_window_is_paused_across(quantity: Quantity) -> None:
    numbers = [number if quantity is CO2 else 110 - number / 10 for number in HOURS]
    signal = series(list(numbers), timedelta(hours=1), quantity)
    wanted = PausableWork(timedelta(hours=3), NOW + timedelta(hours=20))
    first, second = stretches(wanted, NOW, signal)
    assert (first.start, second.start) == hours(0, 5)
    assert (first.end, second.end) in {  # the restart's ten minutes are taken from one or the other
        hours(1 + 1 / 6, 7),
        hours(2, 6 + 1 / 6),
    }


def test_a_short_dip_is_not_worth_a_start() -> None:
    numbers = [300.0] * 12 + [500.0] * 2 + [300.0] * 4 + [500.0] * 60  # 10 dirty minutes in one and a half hours
    wanted = PausableWork(timedelta(minutes=80), NOW + timedelta(hours=6))
    assert stretches(wanted, NOW, series(list(numbers))) == (Stretch(NOW, NOW + wanted.left),)


def test_what_is_unknown_is_as_green_as_usual() -> None:
    """Work that is longer than the forecast leaves its dirty hours and takes the green ones."""
    signal = series([*HOURS[:8], *[None] * 40], timedelta(hours=1))
    wanted = PausableWork(timedelta(hours=12), NOW + timedelta(hours=48))
    found = stretches(wanted, NOW, signal)
    assert found[0].start == NOW
    assert abs(found[0].end - hours(2)[0]) < wanted.slot
    assert abs(found[1].start - hours(5)[0]) < wanted.slot
    assert done(found, wanted.restart) >= wanted.left


def test_long_work_over_a_fortnight_is_planned_in_a_few_seconds() -> None:
    numbers = [float(100 + 37 * i % 400) for i in range(24 * 40)]
    wanted = PausableWork(timedelta(hours=8), NOW + timedelta(days=39))
    found = stretches(wanted, NOW, series(list(numbers), timedelta(hours=1)))
    assert done(found, wanted.restart) >= wanted.left
