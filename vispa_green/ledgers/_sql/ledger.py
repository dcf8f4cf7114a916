"""The six books over one connection, whichever database it is to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vispa_green.ledgers._sql.connection import Connection
    from vispa_green.model import EnergyBook, FactBook, GridBook, PreferenceBook, ProjectBook, PromiseBook


class SqlLedger:
    """A `Ledger` in a database. Several processes may write."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # A submission reads the grid only and waits for nothing else: a book is imported when it is opened.

    @cached_property
    def energy(self) -> EnergyBook:
        """What was measured, and whom it was charged to."""
        from vispa_green.ledgers._sql.energy import SqlEnergy

        return SqlEnergy(self._connection)

    @cached_property
    def grid(self) -> GridBook:
        """What the grid was and will be."""
        from vispa_green.ledgers._sql.grid import SqlGrid

        return SqlGrid(self._connection)

    @cached_property
    def promises(self) -> PromiseBook:
        """What green submissions promised."""
        from vispa_green.ledgers._sql.promises import SqlPromises

        return SqlPromises(self._connection)

    @cached_property
    def facts(self) -> FactBook:
        """What the batch system said of jobs."""
        from vispa_green.ledgers._sql.facts import SqlFacts

        return SqlFacts(self._connection)

    @cached_property
    def projects(self) -> ProjectBook:
        """What work was for."""
        from vispa_green.ledgers._sql.projects import SqlProjects

        return SqlProjects(self._connection)

    @cached_property
    def preferences(self) -> PreferenceBook:
        """What users want."""
        from vispa_green.ledgers._sql.preferences import SqlPreferences

        return SqlPreferences(self._connection)

    def close(self) -> None:
        """Release the database."""
        self._connection.database.close()
