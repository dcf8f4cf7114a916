"""The grid of all energy, made where the rows are, is what the rows and the grid's series say one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.rows import BERLIN, HOUR, START, UJ_PER_WH, charged, deliver
from tests.contracts.standing_in import examples, stand_in_of
from vispa_green.energy.carbon import GridSignal, carbon_of
from vispa_green.ledgers import LEDGERS, open_ledger
from vispa_green.model import Dimension, GridKind, GridValue, Ledger, Quantity, Selection, Weighted

CO2 = Quantity.CARBON_INTENSITY
MINUTE = timedelta(minutes=1)
STEPS = st.sampled_from([60, 30, 15, 10, 1])
USES = st.lists(st.tuples(st.integers(0, 200), st.sampled_from([0.1, 7, 15, 44]), st.integers(0, 10**9)), max_size=5)


def series(
    values: Sequence[float | None], step: timedelta, kind: GridKind = GridKind.MEASURED, source: str = "x"
) -> list[GridValue]:
    return [
        GridValue(CO2, kind, START + i * step, START + (i + 1) * step, value, source, START, START)
        for i, value in enumerate(values)
        if value is not None
    ]


def weights(ledger: Ledger, **changes: object) -> dict[str, Weighted]:
    """Return the CO2 intensity by job, as far as it is known."""
    accounts = ledger.energy.jobs(replace(Selection(), **changes), whole=not changes)  # type: ignore[arg-type]
    return {account.key.job_id: account.grid.get(CO2, Weighted()) for account in accounts}


@pytest.mark.parametrize("name", LEDGERS.names())
def test_every_job_has_the_grid_of_its_own_energy(name: str) -> None:
    """Whatever the steps of the series, known in part or wholly; and adjacent times add up."""

    @examples(name, 60)
    @given(
        step=STEPS,
        values=st.lists(st.none() | st.floats(1, 1000), max_size=12),
        uses=USES,
        cuts=st.lists(st.integers(1, 15_000), min_size=1, max_size=3, unique=True),
    )
    def holds(step: int, values: list[float | None], uses: list[tuple[int, float, int]], cuts: list[int]) -> None:
        with TemporaryDirectory() as directory, stand_in_of(name).healthy(Path(directory)) as there:
            ledger = open_ledger(there.url, create=True)
            told = series(values, step * MINUTE)
            ledger.grid.append(told)
            for number, (minute, length, energy_uj) in enumerate(uses):
                deliver(
                    ledger,
                    [charged({f"{number}": energy_uj}, START + minute * MINUTE, length * MINUTE)],
                    spool=f"{number}",
                )
            signal = GridSignal.from_values(told, CO2)
            found = weights(ledger)
            edges = [START - HOUR, *(START + cut * timedelta(seconds=1) for cut in sorted(cuts)), START + 9 * HOUR]
            for posting in ledger.energy.postings(Selection()):
                carbon, own = carbon_of([posting], signal), found[posting.key.job_id]
                assert own.known_uj == pytest.approx(carbon.covered_uj, abs=5)
                assert own.sum_uj / (1000 * UJ_PER_WH) == pytest.approx(carbon.grams, rel=1e-6, abs=1e-8)
            pieces = Weighted()
            for start, end in pairwise(edges):
                pieces += sum(weights(ledger, start=start, end=end).values(), Weighted())
            totals = ledger.energy.totals(Selection(), (), BERLIN)
            whole = sum(((total.grid or {}).get(CO2, Weighted()) for total in totals), Weighted())
            for one in (pieces, sum(found.values(), Weighted())):
                assert one.known_uj == pytest.approx(whole.known_uj, abs=40)
                assert one.sum_uj == pytest.approx(whole.sum_uj, rel=1e-6, abs=1e5)
            ledger.close()

    holds()


def test_measured_counts_before_forecast_and_the_latest_issue_of_each(ledger: Ledger) -> None:
    deliver(ledger, [charged({"7": 1000}, START, HOUR)])
    for values, kind, mean in (
        ([100.0], GridKind.FORECAST, 100),
        ([200.0], GridKind.FORECAST, 200),
        ([300.0], GridKind.MEASURED, 300),
        ([100.0], GridKind.FORECAST, 300),
        ([400.0], GridKind.MEASURED, 400),
        ([300.0], GridKind.MEASURED, 300),
    ):
        ledger.grid.append(series(values, HOUR, kind))
        assert weights(ledger)["7"].mean == pytest.approx(mean)
        [total] = ledger.energy.totals(Selection(), (Dimension.DAY,), BERLIN)
        assert (total.grid or {})[CO2].mean == pytest.approx(mean)


def test_the_site_says_whose_values_count_and_may_change_its_mind(ledger: Ledger) -> None:
    """In the sums by quarter-hour as for series with finer steps."""
    deliver(ledger, [charged({"7": 1000}, START, HOUR)])
    for step in (15 * MINUTE, MINUTE):
        for source, number in (("a", 100.0), ("b", 200.0)):
            ledger.grid.append(series([number] * (HOUR // step), step, source=source))
        for order, mean in ((("b", "a"), 200), (("a", "b"), 100), (("c", "b"), 200)):
            ledger.grid.prefer(order)
            assert weights(ledger)["7"].mean == pytest.approx(mean)


def test_what_is_pruned_keeps_its_grid_and_a_revised_value_still_counts(ledger: Ledger) -> None:
    ledger.grid.append(series([100.0, 300.0], 15 * MINUTE))
    deliver(ledger, [charged({"7": 3000}, START, 30 * MINUTE)])
    before = weights(ledger)
    assert ledger.energy.prune(START + HOUR).intervals == 1
    assert weights(ledger) == before
    assert before["7"].mean == pytest.approx(200)
    ledger.grid.append(series([500.0], 15 * MINUTE))
    assert weights(ledger)["7"].mean == pytest.approx(400)


def test_a_group_has_the_grid_of_its_own_days(ledger: Ledger) -> None:
    """A kWh by day at 100 g and one by night at 500 g, of one job and of two users."""
    ledger.grid.append(series([100.0] * 8 + [500.0] * 8, HOUR))
    for number, uid, hour in (("1", 1001, 2), ("1", 1001, 12), ("2", 1002, 12)):
        used = charged({number: 1000 * UJ_PER_WH}, START + hour * HOUR, HOUR, uid=uid)
        deliver(ledger, [used], spool=f"{number}-{hour}")
    found = {
        (total.group[Dimension.USER], str(total.group[Dimension.DAY])): (total.grid or {})[CO2].mean
        for total in ledger.energy.totals(Selection(), (Dimension.USER, Dimension.DAY), BERLIN)
    }
    assert found == {
        ("uid:1001", "2026-06-21"): pytest.approx(100),
        ("uid:1001", "2026-06-22"): pytest.approx(500),
        ("uid:1002", "2026-06-22"): pytest.approx(500),
    }
