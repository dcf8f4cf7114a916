"""Asking a PostgreSQL ledger with SQL of one's own."""

from __future__ import annotations

from typing import Any

import psycopg


def schema_of(url: str) -> str:
    return url.rpartition("%3D")[2]


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask with plain SQL, as whoever the address names."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
