"""PostgreSQL ledgers for tests of their own, and asking them with SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from lab.postgres import shared_server


@contextmanager
def copied_ledger() -> Iterator[str]:
    """Yield the address of a ledger without a row, of one that is made once."""
    server = shared_server()
    with server.database(server.made) as name:
        yield server.url(name)


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask with plain SQL, as whoever the address names."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
