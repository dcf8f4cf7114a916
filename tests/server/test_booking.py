"""Deliveries that are committed together: each counts once, and one that is refused harms no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.rows import HOUR, START, charged
from vispa_green.errors import IntervalRefused, LedgerError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Batch, Ledger, Origin, SpooledInterval
from vispa_green.server.booking import Bookings

TOO_MUCH_UJ = 2**63 - 1
"""Twice of it in one cell of a roll-up is more than a ledger can keep."""


def batch(number: int, uj: int) -> Batch:
    return Batch(Origin("lab", f"s{number}"), [SpooledInterval(1, charged({f"{number}": uj}, START, HOUR))])


def too_much(number: int) -> Batch:
    """Return a batch that no ledger takes, whatever comes with it."""
    items = [SpooledInterval(1 + i, charged({f"{number}": TOO_MUCH_UJ}, START, HOUR)) for i in range(2)]
    return Batch(Origin("lab", f"s{number}"), items)


def lender(url: str) -> Callable[[], Iterator[Ledger]]:
    """Return what lends a ledger, one to a thread and time."""

    def lend() -> Iterator[Ledger]:
        with closing(open_ledger(url, create=True)) as ledger:
            yield ledger

    return lend


def outcomes(bookings: Bookings, batches: Sequence[Batch]) -> Mapping[str, object]:
    """Book all at the same time, each in a thread of its own; return what each was told."""
    together = threading.Barrier(len(batches))

    def book(one: Batch) -> object:
        together.wait()
        try:
            return bookings.book(one, START + HOUR)
        except LedgerError as error:
            return type(error)

    with ThreadPoolExecutor(len(batches)) as pool:
        return dict(zip((one.origin.spool_id for one in batches), pool.map(book, batches), strict=True))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["good", "refused", "again"]), min_size=1, max_size=8))
def test_each_is_told_of_its_own(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    url = f"sqlite://{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}"
    batches = [too_much(i) if kind == "refused" else batch(i, 1000 + i) for i, kind in enumerate(kinds)]
    with closing(open_ledger(url, create=True)) as ledger:
        for kind, one in zip(kinds, batches, strict=True):
            if kind == "again":
                ledger.energy.append(one.origin, one.intervals, START)
        found = outcomes(Bookings(contextmanager(lender(url))), batches)
        for i, kind in enumerate(kinds):
            assert found[f"s{i}"] == {"good": 1, "again": 0, "refused": IntervalRefused}[kind]
        kept_uj = sum(row.measured_uj for row in ledger.energy.balance())
        assert kept_uj == sum(1000 + i for i, kind in enumerate(kinds) if kind != "refused")
        assert ledger.energy.verify() == []


def test_who_waits_is_committed_with_others(tmp_path: Path) -> None:
    """While one is being written, the others gather; they need one more turn with the ledger, not one each."""
    url, turns, first = f"sqlite://{tmp_path / 'ledger.sqlite'}", [], threading.Event()

    @contextmanager
    def lend() -> Iterator[Ledger]:
        turns.append(len(bookings._waiting))
        if len(turns) == 1:
            first.wait(10)
        yield from lender(url)()

    bookings = Bookings(lend)
    with ThreadPoolExecutor(9) as pool:
        told = [pool.submit(bookings.book, batch(0, 1), START)]
        while not turns:
            pass
        told += [pool.submit(bookings.book, batch(i, 1), START) for i in range(1, 9)]
        while len(bookings._waiting) < 8:
            pass
        first.set()
        assert [one.result() for one in told] == [1] * 9
    assert len(turns) == 2


def test_what_is_not_committed_is_never_acknowledged() -> None:
    """A ledger that fails in a way that nobody thought of."""

    def lend() -> AbstractContextManager[Ledger]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Bookings(lend).book(batch(1, 1), START)
