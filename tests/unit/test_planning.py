"""The plan is the optimum, and where nothing is known it is to start."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import NotCovered, UsageError
from vispa_green.model import GridKind, GridValue, Quantity
from vispa_green.policies import POLICIES
from vispa_green.shifting.planning import Plan, Wish, plan

T0 = datetime(2026, 6, 1, tzinfo=UTC)
CO2, SHARE = Quantity.CARBON_INTENSITY, Quantity.RENEWABLE_SHARE
HOUR = timedelta(hours=1)


def series(quantity: Quantity, start: datetime, step: timedelta, numbers: list[float | None]) -> GridSignal:
    values = [
        GridValue(quantity, GridKind.FORECAST, start + i * step, start + (i + 1) * step, number, "x", T0, T0)
        for i, number in enumerate(numbers)
        if number is not None
    ]
    return GridSignal.from_values(values, quantity)


def planned(wish: Wish, *signals: GridSignal, policy: str = "best_mean") -> Plan:
    return plan(wish, T0, {signal.quantity: signal for signal in signals}, policy, POLICIES.make(policy, None, {}))


def brute_force(wish: Wish, signal: GridSignal) -> tuple[datetime, float] | None:
    """Try every minute; all times in these cases are whole minutes, and so the optimum is one of them."""
    request = wish.request(T0)
    best: tuple[datetime, float] | None = None
    start = T0
    while start + wish.duration <= request.finish_by:
        try:
            mean = signal.mean(start, start + wish.duration)
        except NotCovered:
            start += timedelta(minutes=1)
            continue
        better = best is None or (
            mean < best[1] - 1e-9 if signal.quantity.lower_is_greener else mean > best[1] + 1e-9
        )
        if better:
            best = (start, mean)
        start += timedelta(minutes=1)
    return best


@pytest.mark.parametrize("case", range(200))
def test_the_plan_equals_brute_force(case: int) -> None:
    """Also with gaps, off the steps' edges, and where the forecast ends before the deadline."""
    dice = random.Random(case)
    numbers = [None if dice.random() < 0.05 else dice.randrange(100, 700) / 1 for _ in range(dice.randrange(4, 60))]
    quantity = dice.choice([CO2, SHARE])
    step = timedelta(minutes=dice.choice([5, 15, 60]))
    signal = series(quantity, T0 - timedelta(minutes=dice.randrange(30)), step, numbers)
    wish = Wish(timedelta(minutes=dice.randrange(1, 300)), T0 + timedelta(minutes=dice.randrange(1, 1500)))
    found, expected = planned(wish, signal), brute_force(wish, signal)
    if expected is None:
        assert not found.is_shifted
    else:
        assert found.window.mean == pytest.approx(expected[1], rel=1e-9)
        assert found.window.start <= expected[0], "of equals the earliest"
        assert found.window.end <= wish.request(T0).finish_by


def test_grams_come_first_and_the_share_where_grams_reach_no_window() -> None:
    grams = series(CO2, T0, HOUR, [400, 100, 300, 300])
    share = series(SHARE, T0, HOUR, [10, 20, 30, 90])
    wish = Wish(HOUR, max_delay=3 * HOUR)
    assert planned(wish, grams, share).window.start == T0 + HOUR
    assert planned(wish, series(CO2, T0 - 9 * HOUR, HOUR, [1]), share).window.start == T0 + 3 * HOUR
    both = planned(wish, grams, share)
    assert (both.means.renewable_share_pct, both.means_if_started_now.gco2_per_kwh) == (20, 400)
    assert both.saving_pct == 75


def test_without_knowledge_the_job_starts_and_says_why() -> None:
    found = planned(Wish(HOUR, max_delay=3 * HOUR))
    assert not found.is_shifted
    assert "no grid data" in found.window.reason
    assert found.saving_pct is None


def test_a_forecast_shorter_than_the_job_starts_at_once() -> None:
    found = planned(Wish(5 * HOUR, max_delay=12 * HOUR), series(CO2, T0, HOUR, [400, 1, 1]))
    assert not found.is_shifted
    assert "do not cover" in found.window.reason


def test_a_deadline_that_cannot_be_met_starts_at_once() -> None:
    found = planned(Wish(5 * HOUR, T0 + HOUR), series(CO2, T0, HOUR, [400, 1, 1, 1, 1, 1, 1, 1]))
    assert not found.is_shifted
    assert "deadline" in found.window.reason


def test_the_queue_margin_is_kept_free_before_the_deadline() -> None:
    grams = series(CO2, T0, HOUR, [400, 300, 200, 100])
    assert planned(Wish(HOUR, T0 + 4 * HOUR), grams).window.end == T0 + 4 * HOUR
    assert planned(Wish(HOUR, T0 + 4 * HOUR, queue_margin=HOUR), grams).window.end == T0 + 3 * HOUR


def test_of_deadline_and_delay_the_tighter_holds() -> None:
    grams = series(CO2, T0, HOUR, [400, 300, 200, 100])
    assert planned(Wish(HOUR, T0 + 4 * HOUR, HOUR), grams).window.start == T0 + HOUR
    assert planned(Wish(HOUR, T0 + 2 * HOUR, 9 * HOUR), grams).window.start == T0 + HOUR


def test_equals_take_the_earliest() -> None:
    assert planned(Wish(HOUR, max_delay=9 * HOUR), series(CO2, T0, HOUR, [9, 5, 5, 5])).window.start == T0 + HOUR
    assert not planned(Wish(HOUR, max_delay=9 * HOUR), series(CO2, T0, HOUR, [0.1] * 40)).is_shifted


def test_without_a_limit_nothing_moves() -> None:
    found = planned(Wish(HOUR), series(CO2, T0, HOUR, [400, 100]))
    assert not found.is_shifted
    assert "neither" in found.window.reason


def test_a_job_without_length_cannot_be_planned() -> None:
    with pytest.raises(UsageError):
        planned(Wish(timedelta(0)))
