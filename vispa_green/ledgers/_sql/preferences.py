"""The book of preferences: a row a user, what he said last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from vispa_green.ledgers._sql.codec import us
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.model import Preference


class SqlPreferences:
    """A `PreferenceBook` in a database."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def keep(self, user: str, language: str | None, weekly: bool | None, at: datetime) -> None:
        """Keep what a user says now; ``None`` leaves what he said before."""
        with self._db.transaction() as database:
            database.execute(
                "INSERT INTO preference (\"user\", language, weekly, said_us) VALUES (?, '', 1, ?)"
                ' ON CONFLICT ("user") DO NOTHING',
                (user, us(at)),
            )
            database.execute(
                "UPDATE preference SET language = coalesce(?, language), weekly = coalesce(?, weekly), said_us = ?"
                ' WHERE "user" = ?',
                (language, None if weekly is None else int(weekly), us(at), user),
            )

    def preferences(self, users: Sequence[str] = ()) -> list[Preference]:
        """Return what these users said, or all, by name; nothing of one who never said anything."""
        where, values = ("", []) if not users else (f' WHERE "user" {self._db.dialect.texts}', [json.dumps(users)])
        rows = self._db.read(f'SELECT "user", language, weekly FROM preference{where} ORDER BY "user"', values)
        return [Preference(user, language, bool(weekly)) for user, language, weekly in rows]
