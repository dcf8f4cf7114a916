"""What the books need of a database, whichever it is: statements, many rows at once, turns to write, its version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from vispa_green.ledgers._sql.dialect import Dialect

Row = tuple[Any, ...]


class Rows(Protocol):
    """The answer to a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows a statement changed."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a row, or None
        """Return the next row, ``None`` behind the last one."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""


class Database(Protocol):
    """One connection to a database. Statements have ``?`` for values; see `vispa_green.ledgers._sql.dialect`."""

    dialect: Dialect
    refusals: tuple[type[Exception], ...]
    """What is raised for a row that breaks a rule."""
    failures: type[Exception]
    """What else is raised."""

    def execute(self, statement: str, values: Sequence[object] = (), /) -> Rows:
        """Execute a statement."""

    def executemany(self, statement: str, rows: Sequence[Sequence[object]], /) -> object:
        """Execute a statement for each of some rows."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add many rows."""

    def merge(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        adding: bool,
    ) -> None:
        """Add rows, in the order of their key; where that is there already, add to its columns or set them."""

    def numbers(self, table: str, count: int) -> Sequence[int]:
        """Return numbers for new rows of a table."""

    def fresh(self, spool_id: int, sequences: Sequence[int]) -> set[int]:
        """Return which numbers of a spool were never delivered, and note that they are now."""

    def have_days(self, ends_us: Collection[int]) -> None:
        """Make room for raw rows that end at some times, before anything else is done."""

    def retire(self, before_us: int) -> int:
        """Keep what is known of the numbers whose raw rows end before; take out whole days of them at once.

        Returns how many intervals those days had.
        """

    def begin(self) -> None:
        """Begin a transaction that writes."""

    def begin_reading(self) -> None:
        """Begin a transaction whose questions are all answered from one state."""

    @property
    def in_transaction(self) -> bool:
        """Whether one has begun."""

    def hold_jobs(self, cluster_id: int, numbers: Collection[str]) -> None:
        """Let no other writer change the jobs of these numbers before the transaction ends."""

    def hold_cluster(self, cluster_id: int) -> None:
        """Let no other writer change any job of a cluster before the transaction ends."""

    def hold(self, what: str) -> None:
        """Let no other writer hold or share the same before the transaction ends."""

    def share(self, what: str) -> None:
        """Let no other writer hold the same before the transaction ends; others may share it."""

    def held(self, what: str) -> bool:
        """Hold the same if nobody else holds or shares it now; say whether it is held."""

    def hold_all(self) -> None:
        """Let no other writer hold anything before the transaction ends; to be called first."""

    def version(self) -> int:
        """Return how many steps of migration were taken, 0 where there are no tables."""

    def took_step(self, number: int) -> None:
        """Keep that a step was taken."""

    def run_script(self, script: str) -> None:
        """Execute the statements of a step, in the transaction."""

    def migrating(self) -> AbstractContextManager[None]:
        """Let nobody else write meanwhile; all or nothing."""

    def close(self) -> None:
        """Release it."""
