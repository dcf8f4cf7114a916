"""What a ledger says of the grid as of a time is what it said then: later values revise nothing behind it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.contracts.lives import FIRST, World, worlds
from tests.contracts.rows import HOUR
from tests.contracts.standing_in import over_ledgers
from tests.contracts.test_ledger_lives import LATE, Telling, fresh_ledger
from tests.contracts.test_weeks import BY, SELECTIONS, ZONES, assert_alike
from vispa_green.model import Dimension, GridKind, GridValue, Ledger, Quantity, Selection

SERIES = st.lists(
    st.tuples(
        st.sampled_from(list(Quantity)),
        st.sampled_from(list(GridKind)),
        st.sampled_from("ab"),
        st.integers(-4, 40),
        st.sampled_from([15, 15, 60, 10]),
        st.integers(1, 900),
    ),
    max_size=30,
)
"""Values in the order in which they were fetched, an hour apart: what, from which quarter-hour on, minutes, value."""


def values_of(series: list[tuple[Quantity, GridKind, str, int, int, int]]) -> list[GridValue]:
    found = []
    for number, (quantity, kind, source, quarter, minutes, value) in enumerate(series):
        start = FIRST.replace(minute=0, second=0) + quarter * timedelta(minutes=15)
        end = start + timedelta(minutes=minutes)
        found.append(GridValue(quantity, kind, start, end, float(value), source, start, LATE + number * HOUR))
    return found


@over_ledgers(
    40,
    world=worlds(),
    series=SERIES,
    cut=st.integers(-1, 30),
    by=BY,
    zone=st.sampled_from(ZONES),
    selection=SELECTIONS,
)
def test_as_of_a_time_nothing_later_is_known(
    name: str,
    world: World,
    series: list[tuple[Quantity, GridKind, str, int, int, int]],
    cut: int,
    by: list[Dimension],
    zone: str,
    selection: Selection,
) -> None:
    told, then = values_of(series), LATE + cut * HOUR
    with ExitStack() as stack:
        knows_all, knew_then = (stack.enter_context(fresh_ledger(name, zone)) for _ in range(2))
        for ledger in (knows_all, knew_then):
            ledger.grid.prefer(("b", "a"))
            Telling(world, ledger).finish()
        for value in told:
            knows_all.grid.append([value])
            if value.fetched_at <= then:
                knew_then.grid.append([value])
        for question in (Selection(), selection):
            assert_same(knows_all, replace(question, as_of=then), knew_then, question, by, zone)
            assert_same(knows_all, replace(question, as_of=LATE + 99 * HOUR), knows_all, question, by, zone)


def assert_same(
    one: Ledger, asked: Selection, other: Ledger, question: Selection, by: list[Dimension], zone: str
) -> None:
    found = {tuple(t.group.values()): t for t in one.energy.totals(asked, by, ZoneInfo(zone))}
    expected = {tuple(t.group.values()): t for t in other.energy.totals(question, by, ZoneInfo(zone))}
    assert found.keys() == expected.keys()
    for group, total in found.items():
        assert_alike(total, expected[group])
    for whole in (True, False):
        accounts = [account.grid for account in one.energy.jobs(asked, whole=whole)]
        assert accounts == [account.grid for account in other.energy.jobs(question, whole=whole)]
