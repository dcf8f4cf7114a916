"""A fresh ledger of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.plain_sql import copied_ledger
from tests.contracts.standing_in import StandIn, ledgers, stand_in_of
from vispa_green.model import Ledger


@pytest.fixture(params=ledgers())
def account(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandIn]:
    """Where a ledger of each kind can be made."""
    with stand_in_of(request.param).healthy(tmp_path) as there:
        yield there


@pytest.fixture
def ledger(account: StandIn) -> Iterator[Ledger]:
    """A ledger of each kind without a row."""
    opened = account.ledger(create=True)
    yield opened
    opened.close()


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a PostgreSQL ledger without a row."""
    with copied_ledger() as address:
        yield address
