"""The book of promises: what green submissions promised, and how planned starts were moved."""

from __future__ import annotations

from collections.abc import Sequence

from vispa_green.ledgers._sql.codec import move_of, move_text, promise_of, promise_text, us
from vispa_green.ledgers._sql.connection import Connection, row_id
from vispa_green.ledgers._sql.database import Database
from vispa_green.model import Move, Promise, Selection


class SqlPromises:
    """A `PromiseBook` in a database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def append(self, promise: Promise) -> None:
        """Keep what a green submission promised; the first promise of a job holds."""
        with self._db.transaction() as database:
            write_promise(database, promise)

    def promises(self, selection: Selection) -> list[Promise]:
        """Return the promises of these jobs, oldest first; times select by submission."""
        where, values = _chosen(selection)
        rows = self._db.read(
            f"SELECT p.promise FROM promise p WHERE {where} ORDER BY p.submitted_us, p.id",
            values,
        )
        return [promise_of(text) for (text,) in rows]

    def append_moves(self, moves: Sequence[Move]) -> None:
        """Keep how planned starts were changed."""
        with self._db.transaction() as database:
            # Adds nothing, but is a write: BEGIN IMMEDIATE alone passes in a file that may only be read.
            database.execute("INSERT INTO move (promise_id, moved_us, move) SELECT 0, 0, '' WHERE 1 = 0")
            write_moves(database, moves)

    def moves(self, selection: Selection) -> list[Move]:
        """Return the moves of these jobs in the order in which they were made."""
        where, values = _chosen(selection)
        rows = self._db.read(
            f"SELECT m.move FROM promise p JOIN move m ON m.promise_id = p.id WHERE {where} ORDER BY m.id",
            values,
        )
        return [move_of(text) for (text,) in rows]


def write_promise(database: Database, promise: Promise) -> None:
    """Add a promise, within a transaction, unless its job has one."""
    database.execute(
        "INSERT INTO promise (cluster_id, job_id, \"user\", submitted_us, promise) VALUES (?,?,?,?,?)"
        " ON CONFLICT DO NOTHING",
        (row_id(database, "cluster", promise.cluster), promise.job_id, promise.user, us(promise.submitted),
         promise_text(promise)),
    )  # fmt: skip


def write_moves(database: Database, moves: Sequence[Move]) -> None:
    """Add moves of promises that are known, within a transaction."""
    database.executemany(
        "INSERT INTO move (promise_id, moved_us, move) SELECT p.id, ?, ? FROM promise p"
        " JOIN cluster c ON c.id = p.cluster_id WHERE p.job_id = ? AND p.submitted_us = ? AND c.name = ?"
        " ON CONFLICT DO NOTHING",
        [(us(m.moved_at), move_text(m), m.job_id, us(m.submitted), m.cluster) for m in moves],
    )


def _chosen(selection: Selection) -> tuple[str, list[object]]:
    clauses, values = ["1 = 1"], list[object]()
    if selection.visible is not None:
        clauses.append('p."user" = ?')
        values.append(selection.visible.user)
    if selection.users:
        clauses.append(f'p."user" IN ({_marks(selection.users)})')
        values += selection.users
    if selection.clusters:
        clauses.append(f"p.cluster_id IN (SELECT id FROM cluster WHERE name IN ({_marks(selection.clusters)}))")
        values += selection.clusters
    if selection.job_ids:
        wholes = [text.partition("_")[0].partition("+")[0] for text in selection.job_ids]
        clauses.append(f"p.job_id IN ({_marks(wholes)})")
        values += wholes
    if selection.start is not None:
        clauses.append("p.submitted_us >= ?")
        values.append(us(selection.start))
    if selection.end is not None:
        clauses.append("p.submitted_us < ?")
        values.append(us(selection.end))
    return " AND ".join(clauses), values


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
