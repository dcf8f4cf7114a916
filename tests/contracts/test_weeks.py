"""Sums of weeks and months, of which a ledger may keep some ready, are those of their jobs' quarter-hours."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from tests.contracts.lives import FIRST, SECOND, USERS, YEAR, World, worlds
from tests.contracts.rows import BERLIN, HOUR, START, UJ_PER_WH, charged, deliver, fact
from tests.contracts.standing_in import over_ledgers
from tests.contracts.test_ledger_lives import LATE, MOMENTS, Telling, fresh_ledger
from vispa_green.ledgers import open_ledger
from vispa_green.model import (
    UJ_PER_KWH,
    Dimension,
    GridKind,
    GridValue,
    Ledger,
    Quantity,
    Selection,
    Total,
    Visibility,
    Weighted,
)

UG = UJ_PER_KWH / 1e6
"""A µg of CO2, as µJ × g/kWh."""
ZONES = ("Europe/Berlin", "Africa/Lagos", "Europe/Berlin", "UTC", "Asia/Kathmandu", "Australia/Lord_Howe")
"""In the first ones a week, a month or both end while jobs run."""
BY = st.lists(
    st.sampled_from([Dimension.CLUSTER, Dimension.USER, Dimension.ACCOUNT, Dimension.WEEK, Dimension.MONTH]),
    max_size=3,
    unique=True,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "fact", "again", "prune", "grid", "settle", "settle", "prefer"]),
        st.integers(0, 99),
        st.integers(0, 6000),
    ),
    max_size=16,
)
SELECTIONS = st.builds(
    lambda start, end, users, visible: Selection(start=start, end=end, users=users, visible=visible),
    st.none() | MOMENTS,
    st.none() | MOMENTS,
    st.sampled_from([(), (), ("ada",), ("ada", "bob")]),
    st.sampled_from([None, None, Visibility("bob", USERS["bob"], ("of-ada",)), Visibility("ada", USERS["ada"])]),
)


class GridTelling(Telling):
    """Tells of the grid, too, again and again of the same hours."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        super().__init__(world, ledger)
        self._asked = LATE

    def grid(self, number: int, value: int) -> None:
        """Tell what the grid was in some hours of a life, which may have been told before."""
        start = FIRST.replace(minute=0, second=0) + number % 2 * YEAR + number // 8 * 30 * 60 * SECOND
        kind = GridKind.MEASURED if value % 3 else GridKind.FORECAST
        self._grid(start, "ab"[number % 7 == 0], kind, value)

    def settle(self, number: int, value: int) -> None:
        """Let hours pass; the ledger may make its sums in them, whenever it is written."""
        for _ in range(1 + number % 6):
            self._asked += 2 * HOUR
            self._grid(LATE + YEAR, "a", GridKind.FORECAST, value)
            value += 1

    def prefer(self, number: int, _: int) -> None:
        """Change the order of sources."""
        self.ledger.grid.prefer(("a", "b") if number % 2 else ("b", "a"))

    def _grid(self, start: datetime, source: str, kind: GridKind, value: int) -> None:
        length = timedelta(minutes=15 * (1 + value % 5))
        self.ledger.grid.append(
            [GridValue(q, kind, start, start + length, value + 0.5, source, start, self._asked) for q in Quantity]
        )


def by_job(ledger: Ledger, selection: Selection, by: Sequence[Dimension], zone: ZoneInfo) -> dict[object, Total]:
    """Return sums by summing those of their jobs, which no ledger keeps by week.

    Jobs whose submission nobody told may have one key together.
    """
    groups: defaultdict[object, list[Total]] = defaultdict(list)
    for total in ledger.energy.totals(selection, (*by, Dimension.JOB), zone):
        groups[tuple(total.group[one] for one in by)].append(total)
    found: dict[object, Total] = {}
    for group, totals in groups.items():
        grid = {
            quantity: sum((one.grid[quantity] for one in totals if one.grid and quantity in one.grid), Weighted())
            for quantity in Quantity
        }
        found[group] = Total(
            {}, tuple(s for one in totals for s in one.sums), sum(one.jobs or 0 for one in totals), grid
        )
    return found


def assert_alike(found: Total, expected: Total) -> None:
    assert energies(found) == energies(expected)
    assert found.jobs == expected.jobs
    for quantity in Quantity:
        one = (found.grid or {}).get(quantity, Weighted())
        other = (expected.grid or {}).get(quantity, Weighted())
        assert one.known_uj == other.known_uj
        assert one.sum_uj == pytest.approx(other.sum_uj, rel=1e-12, abs=UG)


def energies(total: Total) -> Counter[object]:
    sums: Counter[object] = Counter()
    for one in total.sums:
        sums[one.component, one.quality, "busy"] += one.busy_uj
        sums[one.component, one.quality, "idle"] += one.idle_uj
    return +sums


def assert_sums_of_jobs(ledger: Ledger, selection: Selection, by: Sequence[Dimension], zone: ZoneInfo) -> None:
    expected = by_job(ledger, selection, by, zone)
    found = {tuple(t.group[one] for one in by): t for t in ledger.energy.totals(selection, by, zone)}
    assert found.keys() == expected.keys()
    for group, total in found.items():
        assert_alike(total, expected[group])
    for total in ledger.energy.totals(selection, by, zone, with_grid=False):
        assert energies(total) == energies(expected[tuple(total.group[one] for one in by)])


@over_ledgers(
    80, world=worlds(), steps=STEPS, zone=st.sampled_from(ZONES), by=BY, selections=st.lists(SELECTIONS, max_size=4)
)
def test_sums_are_those_of_their_jobs(
    name: str,
    world: World,
    steps: list[tuple[str, int, int]],
    zone: str,
    by: list[Dimension],
    selections: list[Selection],
) -> None:
    """To the µJ and the µg, whatever was told since some of them were made ready, in every zone."""
    with fresh_ledger(name, zone) as ledger:
        telling = GridTelling(world, ledger)
        for step, number, value in steps:
            if step in {"deliver", "again"} and not world.spools:
                continue
            getattr(telling, step)(number, value)
            assert_sums_of_jobs(ledger, Selection(), by, ZoneInfo(zone))
        telling.finish()
        assert_sums_of_jobs(ledger, Selection(), by, ZoneInfo(zone))
        telling.settle(5, 1)
        for selection in (Selection(), *selections):
            assert_sums_of_jobs(ledger, selection, by, ZoneInfo(zone))
        assert ledger.energy.verify() == []


def value_at(start: datetime, number: float, at: datetime, source: str = "x") -> GridValue:
    return GridValue(Quantity.CARBON_INTENSITY, GridKind.MEASURED, start, start + HOUR, number, source, start, at)


def grams(ledger: Ledger) -> float | None:
    [total] = ledger.energy.totals(Selection(), (Dimension.USER, Dimension.WEEK), BERLIN)
    return (total.grid or {}).get(Quantity.CARBON_INTENSITY, Weighted()).sum_uj / UJ_PER_KWH


def test_a_value_that_is_revised_long_after_changes_the_week(ledger: Ledger) -> None:
    deliver(ledger, [charged({"7": 1000 * UJ_PER_WH}, START, HOUR)])
    for day, number in enumerate((100.0, 300.0, 200.0), 1):
        later = START + day * timedelta(days=1)
        ledger.grid.append([value_at(START, number, later)])
        assert grams(ledger) == pytest.approx(number)
        ledger.grid.append([value_at(later, 900.0, later + 3 * HOUR)])  # hours later the sums may be made ready
        assert grams(ledger) == pytest.approx(number)


WEEK = timedelta(days=7)


def let_hours_pass(ledger: Ledger, *, since: datetime = START) -> None:
    """Write to a ledger again and again, so that it makes ready what it likes to."""
    for hour in range(2, 12, 2):
        at = since + hour * HOUR
        ledger.grid.append([value_at(START + 9 * WEEK, float(hour), at)])


def jobs_of_all_time(ledger: Ledger) -> list[int | None]:
    return [total.jobs for total in ledger.energy.totals(Selection(), (), BERLIN)]


def test_a_job_that_is_told_late_of_an_earlier_week_counts_once(ledger: Ledger) -> None:
    """Its later week was made ready when nobody knew of the earlier one."""
    began = START - HOUR
    later = charged({"7": 1000}, START + WEEK, HOUR, submitted=began)
    deliver(ledger, [charged({"7": 1000}, START + WEEK - HOUR, HOUR, submitted=began), later])
    let_hours_pass(ledger)
    deliver(ledger, [charged({"7": 500}, START, HOUR, node="n2", submitted=began)], spool="n2")
    assert jobs_of_all_time(ledger) == [1]
    let_hours_pass(ledger, since=START + WEEK)
    assert jobs_of_all_time(ledger) == [1]


def test_two_jobs_that_turn_out_to_be_one_count_once(ledger: Ledger) -> None:
    """Slurm tells that they are, and no more: whose they are stays what it was."""
    deliver(ledger, [charged({"7": 1000}, START, HOUR), charged({"7": 1000}, START + 2 * WEEK, HOUR)])
    let_hours_pass(ledger)
    assert jobs_of_all_time(ledger) == [2]
    whole = fact(user="", account="", partition="", submit=START, start=START, end=START + 2 * WEEK + HOUR)
    assert ledger.facts.append("lab", [whole], START + 2 * WEEK + HOUR) == ()
    assert jobs_of_all_time(ledger) == [1]


def test_a_site_that_prefers_another_source_changes_weeks_that_are_over(ledger: Ledger) -> None:
    deliver(ledger, [charged({"7": 1000 * UJ_PER_WH}, START, HOUR)])
    ledger.grid.append([value_at(START, 100.0, START, "a"), value_at(START, 200.0, START, "b")])
    for number, order in enumerate((("b", "a"), ("a", "b"), ("b",))):
        let_hours_pass(ledger, since=START + number * WEEK)
        ledger.grid.prefer(order)
        assert grams(ledger) == pytest.approx(100 if order[0] == "a" else 200)


@pytest.fixture
def made_ready(tmp_path: Path) -> Path:
    """A SQLite ledger with a week that is over, and its sums."""
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(f"sqlite://{path}", create=True)) as ledger:
        deliver(ledger, [charged({"7": 1000 * UJ_PER_WH}, START, HOUR)])
        ledger.facts.append("lab", [fact()], START + HOUR)
        ledger.grid.append([value_at(START, 100.0, START + 9 * HOUR)])
        ledger.grid.append([value_at(START + 24 * HOUR, 100.0, START + 12 * HOUR)])
    return path


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE owner_week SET busy_low = busy_low + 1",
        "UPDATE owner_week SET owner = 'eve'",
        "UPDATE owner_week_grid SET gco2_per_kwh_sum = gco2_per_kwh_sum / 2",
        "UPDATE owner_week_grid SET gco2_per_kwh_high = 0",
        "UPDATE owner_week_grid SET jobs = jobs + 1",
        "UPDATE owner_week_grid SET since = 0",
        "DELETE FROM owner_week",
        "DELETE FROM week_part",
        "UPDATE grid_quarter SET mean = mean + 1",
        "UPDATE job_quarter SET quarter = quarter + 100",
    ],
)
def test_sums_that_are_not_what_they_are_made_of_are_told(made_ready: Path, change: str) -> None:
    with closing(open_ledger(f"sqlite://{made_ready}")) as ledger:
        assert ledger.energy.verify() == []
        with closing(sqlite3.connect(made_ready)) as connection:
            connection.executescript(change)
        assert any("by owner" in line for line in ledger.energy.verify())


def test_what_was_made_ready_is_read_also_by_who_may_not_write(made_ready: Path) -> None:
    """Else the tests above would say nothing of it: a wrong sum is believed until it is verified, or made anew."""
    with closing(sqlite3.connect(made_ready)) as connection, connection:
        connection.execute("UPDATE owner_week_grid SET gco2_per_kwh_sum = 2 * gco2_per_kwh_sum")
    with closing(open_ledger(f"sqlite://{made_ready}", read_only=True)) as ledger:
        assert grams(ledger) == pytest.approx(200)
    with closing(open_ledger(f"sqlite://{made_ready}")) as ledger:
        deliver(ledger, [charged({"8": 1000}, START - HOUR, HOUR)], first=2)
    with closing(open_ledger(f"sqlite://{made_ready}", read_only=True)) as ledger:
        found = ledger.energy.totals(Selection(users=("ada",)), (Dimension.WEEK,), BERLIN)
        assert (found[0].grid or {})[Quantity.CARBON_INTENSITY].mean == pytest.approx(100)
