"""Accounts see what came; policies see what had been published, and nothing more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from vispa_green_sim.errors import SeriesError
from vispa_green_sim.forecasts import Options, forecasts_of
from vispa_green_sim.grid import GridClock, GridSeries, from_csv

from tests.simulation.traces import data
from vispa_green.errors import NotCovered
from vispa_green.model import Quantity
from vispa_green.policies import POLICIES
from vispa_green.shifting.planning import Wish

CO2 = Quantity.CARBON_INTENSITY
HOUR = 3600


def hourly(values: list[float], start: datetime) -> GridSeries:
    return GridSeries(
        CO2, np.arange(len(values) + 1, dtype=np.int64) * HOUR + int(start.timestamp()), np.array(values)
    )


WINTER = datetime(2025, 1, 5, 23, tzinfo=UTC)  # a Monday's midnight in Germany
YEAR = [100.0 + 50 * np.sin(hour / 4) + hour % 7 for hour in range(24 * 7 * 3)]


@pytest.mark.parametrize(
    ("clock_time", "hours_ahead"),
    [
        ("08T00:00", 24),
        ("08T17:59", 6 + 1 / 60),
        ("08T18:00", 30),
        ("08T23:59", 24 + 1 / 60),
    ],
)
def test_the_horizon_is_that_of_energy_charts(clock_time: str, hours_ahead: float) -> None:
    """End of today before 18:00, end of tomorrow after, German time."""
    seen = forecasts_of("day_ahead", GridClock(hourly(YEAR, WINTER), WINTER))
    now = datetime.fromisoformat(f"2025-01-{clock_time}+01:00")
    signal = seen.issued(int((now - WINTER).total_seconds()))
    assert signal.edges[-1] - now == timedelta(hours=hours_ahead)
    signal.mean(now, signal.edges[-1])
    with pytest.raises(NotCovered):
        signal.mean(now, signal.edges[-1] + timedelta(seconds=1))


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25)])
def test_days_of_the_change_of_clocks_have_their_own_length(day: str, hours: int) -> None:
    """A midnight's issue reaches to the next midnight."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=7)
    seen = forecasts_of("day_ahead", GridClock(hourly(YEAR, start), start))
    midnight = datetime.fromisoformat(f"{day}T00:00+0{1 if hours == 23 else 2}:00")
    signal = seen.issued(int((midnight - start).total_seconds()))
    assert signal.edges[-1] - midnight == timedelta(hours=hours)


def test_the_past_is_known_the_future_is_not() -> None:
    """What came is seen as it came; ahead of now no value is exact; the same seed, the same view."""
    clock = GridClock(hourly(YEAR, WINTER), WINTER)
    now_s = 5 * 24 * HOUR
    now = clock.moment(now_s)
    first, again = (forecasts_of("day_ahead", clock).issued(now_s) for _ in range(2))
    other = forecasts_of("day_ahead", clock, Options(seed=2)).issued(now_s)
    for step in range(1, 40):
        back = now - timedelta(seconds=900 * step)
        assert first.mean(back, back) == pytest.approx(clock.mean(now_s - 900 * step, now_s - 900 * step))
    for step in range(90):
        ahead = now + timedelta(seconds=900 * step)
        assert first.mean(ahead, ahead) == again.mean(ahead, ahead) != other.mean(ahead, ahead)
        assert first.mean(ahead, ahead) != clock.mean(now_s + 900 * step, now_s + 900 * step)


@pytest.mark.parametrize("name", ["day_ahead", "persistence", "oracle"])
def test_every_forecast_is_a_signal_for_the_policies(name: str) -> None:
    """Production's own policy plans on it, also at odd seconds."""
    clock = GridClock(hourly(YEAR, WINTER), WINTER + timedelta(days=2))
    seen = forecasts_of(name, clock)
    policy = POLICIES.make("best_mean", None, {})
    for now_s in (7, 50_003, 90_000, 200_001):
        now = clock.moment(now_s)
        request = Wish(timedelta(hours=1), max_delay=timedelta(hours=4)).request(now)
        window = policy.choose(request, seen.issued(now_s))
        assert now <= window.start <= now + timedelta(hours=4)
        assert window.mean is not None


def test_persistence_knows_yesterday_only() -> None:
    """The same hour of the last 24."""
    clock = GridClock(hourly(YEAR, WINTER), WINTER + timedelta(days=2))
    signal = forecasts_of("persistence", clock).issued(1000)
    ahead = clock.moment(900 + 5 * HOUR)
    assert signal.mean(ahead, ahead) == pytest.approx(clock.mean(900 - 19 * HOUR, 900 - 19 * HOUR))
    with pytest.raises(SeriesError, match="a day of the series before"):
        forecasts_of("persistence", GridClock(hourly(YEAR, WINTER), WINTER)).issued(0)


def test_a_series_repeats_by_whole_weeks() -> None:
    """Days of the week and hours of the day stay together."""
    clock = GridClock(hourly([float(h) for h in range(24 * 10)], WINTER), WINTER)
    assert clock.period_s == 7 * 86_400
    for hour in (239, 240, 300, 5000):
        expected = hour if hour < 240 else 72 + (hour - 72) % 168
        assert clock.mean(hour * HOUR, (hour + 1) * HOUR) == pytest.approx(expected)


def test_real_intensity_is_read() -> None:
    """SMARD 2025, hourly; life-cycle intensity."""
    series = from_csv(data("grid/de_smard_2025_hourly.csv"), CO2, column="ci_lc_g_kwh")
    assert len(series.values) >= 8760
    assert 50 < series.values.min() < series.values.mean() < series.values.max() < 900
    gap = data("grid/de_energycharts_2024-01_2026-01_hourly.csv")
    with pytest.raises(SeriesError, match=r"nothing is known from 2026-01-.*fill_s=18000"):
        from_csv(gap, Quantity.RENEWABLE_SHARE, column="ren_share_of_load_pct")
    assert from_csv(gap, Quantity.RENEWABLE_SHARE, column="ren_share_of_load_pct", fill_s=18_000).filled == 5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", r"grid.csv: 0 values of gco2_per_kwh; a series needs two at least"),
        (
            "2025-10-26T02:00:00,1\n2025-10-26T02:00:00,2\n",
            r"grid.csv:3: .* is not later than .*summer",
        ),
        ("2025-01-01T00:00,1\n2025-01-01T01:00,many\n", r"grid.csv:3: .many. is no number; correct it"),
        ("2025-01-01T00:00,1\n2025-01-01T01:00\n", r"grid.csv:3: too few cells"),
    ],
)
def test_a_bad_series_is_told(tmp_path: Path, rows: str, message: str) -> None:
    """Empty, doubled by the change of clocks, or no number: with line and remedy."""
    path = tmp_path / "grid.csv"
    path.write_text("start_utc,gco2_per_kwh\n" + rows)
    with pytest.raises(SeriesError, match=message):
        from_csv(path, CO2)


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    """With those that are there."""
    path = tmp_path / "grid.csv"
    path.write_text("start_utc,ci\n")
    with pytest.raises(SeriesError, match=r"grid.csv:1: no column 'gco2_per_kwh'; there are start_utc, ci"):
        from_csv(path, CO2)
