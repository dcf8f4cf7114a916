"""Laws of the books of the grid, of facts and of promises: what was put in comes out, and of its owner alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.contracts.rows import HOUR, SECOND, START, fact, promise
from tests.contracts.standing_in import StandIn
from vispa_green.errors import LedgerError
from vispa_green.model import GridKind, GridValue, JobKey, Ledger, Move, Quantity, Selection, Visibility

EVERYTHING = Selection()


def value(hour: float, amount: float, kind: GridKind = GridKind.FORECAST, length: timedelta = HOUR) -> GridValue:
    start = START + hour * HOUR
    return GridValue(Quantity.CARBON_INTENSITY, kind, start, start + length, amount, "energy_charts", START, START)


def test_a_grid_value_is_stored_when_it_says_something_new(ledger: Ledger) -> None:
    assert ledger.grid.append([value(0, 300.0), value(1, 310.0)]) == 2
    assert ledger.grid.append([value(0, 300.0), value(1, 290.0), value(0, 305.0, GridKind.MEASURED)]) == 2
    found = ledger.grid.values(Quantity.CARBON_INTENSITY, START, START + 2 * HOUR)
    assert sorted((v.kind, v.value) for v in found) == [("forecast", 290.0), ("forecast", 300.0), ("measured", 305.0)]
    assert ledger.grid.values(Quantity.RENEWABLE_SHARE, START, START + 2 * HOUR) == []


def test_what_is_not_measured_is_told_and_forecasts_do_not_count(ledger: Ledger) -> None:
    ledger.grid.append([value(0, 1, GridKind.MEASURED), value(1, 1), value(2, 1, GridKind.MEASURED)])
    unmeasured = ledger.grid.unmeasured
    assert unmeasured(Quantity.CARBON_INTENSITY, START, START + HOUR) is None
    assert unmeasured(Quantity.CARBON_INTENSITY, START, START + 3 * HOUR) == (START + HOUR, START + 2 * HOUR)
    assert unmeasured(Quantity.RENEWABLE_SHARE, START, START + HOUR) == (START, START + HOUR)
    half = value(3, 1, GridKind.MEASURED, HOUR / 8)
    ledger.grid.append([half])
    assert unmeasured(Quantity.CARBON_INTENSITY, half.start, half.end) is not None, "half a quarter-hour is not all"


def test_who_was_asked_for_all_of_a_span_is_known(ledger: Ledger) -> None:
    ledger.grid.asked("a", START, START + 2 * HOUR, START)
    ledger.grid.asked("a", START, START + HOUR, START + SECOND)
    assert ledger.grid.last_asked("a", START, START + HOUR) == START + SECOND
    assert ledger.grid.last_asked("a", START + HOUR, START + 2 * HOUR) == START
    assert ledger.grid.last_asked("a", START, START + 3 * HOUR) is None
    assert ledger.grid.last_asked("b", START, START + HOUR) is None


def test_the_latest_fact_of_a_job_holds(ledger: Ledger) -> None:
    for state in ("RUNNING", "RUNNING", "COMPLETED"):
        assert ledger.facts.append("lab", [fact(state=state)], START) == ()
    assert ledger.facts.facts(EVERYTHING) == [(JobKey("lab", "7", START), fact(state="COMPLETED"))]


def test_facts_are_chosen_by_id_and_by_time(ledger: Ledger) -> None:
    """``12`` is the whole array or het job, ``12_1`` a task; what runs has run until it was last told."""
    hours = [START + n * HOUR for n in range(4)]
    ledger.facts.append(
        "lab",
        [
            fact(raw, display_id=shown, start=start, end=end)
            for raw, shown, start, end in (
                ("12", "12_2", hours[0], hours[1]),
                ("13", "12_1", hours[1], hours[2]),
                ("14", "14+0", hours[1], None),
                ("15", "14+1", None, None),
                ("120", "120", hours[2], hours[3]),
            )
        ],
        hours[3],
    )

    def chosen(*ids: str, start: datetime | None = None, end: datetime | None = None) -> list[str]:
        found = ledger.facts.facts(Selection(job_ids=ids, start=start, end=end))
        return sorted(one.job_id for _, one in found)

    assert chosen("12") == ["12", "13"]
    assert chosen("12_1") == ["13"]
    assert chosen("14", "120", "1", "12_") == ["120", "14", "15"]
    assert chosen(start=hours[1]) == ["120", "13", "14"]
    assert chosen(start=hours[1] - timedelta(microseconds=1)) == ["12", "120", "13", "14"]
    assert chosen(end=hours[1]) == ["12", "15"]
    assert chosen("12", start=hours[1], end=hours[3]) == ["13"]


def test_a_promise_is_kept_word_for_word_and_the_first_holds(ledger: Ledger) -> None:
    ledger.promises.append(promise())
    ledger.promises.append(replace(promise(), reason="another word"))
    assert ledger.promises.promises(Selection(job_ids=("7",))) == [promise()]
    assert ledger.promises.promises(Selection(job_ids=("8",))) == []


def move(number: int, job_id: str = "7") -> Move:
    later = START + number * 60 * SECOND
    mean_after = None if number else 99.25
    return Move(
        job_id, START, later, "root", START, later, Quantity.CARBON_INTENSITY, 250.5, mean_after, "why", "lab"
    )  # fmt: skip


def test_moves_are_kept_word_for_word_in_their_order_with_their_promise(ledger: Ledger) -> None:
    for job_id in ("7", "8"):
        ledger.promises.append(promise(job_id))
    ledger.promises.append_moves([move(2), move(1)])
    ledger.promises.append_moves([move(0, "8"), move(0), move(1, "9")])
    assert ledger.promises.moves(Selection(job_ids=("7",))) == [move(2), move(1), move(0)]
    assert ledger.promises.moves(EVERYTHING) == [move(2), move(1), move(0, "8"), move(0)]


def test_a_ledger_that_keeps_nothing_says_so_before_there_is_a_move(account: StandIn) -> None:
    account.ledger(create=True).close()
    ledger = account.ledger(read_only=True)
    assert ledger.promises.moves(EVERYTHING) == []
    with pytest.raises(LedgerError):
        ledger.promises.append_moves(())
    ledger.close()


def test_promises_and_facts_of_others_are_in_no_answer(ledger: Ledger) -> None:
    ledger.promises.append(promise("7", "ada"))
    ledger.promises.append(promise("8", "bob"))
    ledger.promises.append_moves([move(1, "7"), move(1, "8")])
    ledger.facts.append("lab", [fact("7"), fact("8", user="bob", uid=1002, account="biology")], START)
    for asked in (EVERYTHING, Selection(job_ids=("7", "8")), Selection(users=("ada", "bob"))):
        mine = replace(asked, visible=Visibility("bob", 1002))
        assert {one.job_id for one in ledger.promises.promises(mine)} == {"8"}
        assert {one.job_id for one in ledger.promises.moves(mine)} == {"8"}
        assert {one.job_id for _, one in ledger.facts.facts(mine)} == {"8"}
    theirs = Selection(visible=Visibility("eve", 1003, ("physics",)))
    assert {one.job_id for _, one in ledger.facts.facts(theirs)} == {"7"}
