"""A fresh ledger of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.standing_in import stand_in_of
from vispa_green.ledgers import LEDGERS, open_ledger
from vispa_green.model import Ledger


@pytest.fixture(params=LEDGERS.names())
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a ledger of each kind can be made."""
    with stand_in_of(request.param).healthy(tmp_path) as there:
        yield there.url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A ledger of each kind without a row."""
    opened = open_ledger(ledger_url, create=True)
    yield opened
    opened.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where a PostgreSQL ledger can be made."""
    with stand_in_of("postgresql").healthy(tmp_path) as there:
        yield there.url
