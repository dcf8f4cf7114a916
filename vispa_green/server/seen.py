"""Proofs that may count only once, remembered in a small file: also after the server was started anew."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vispa_green.errors import CredentialError

FORGETS_EACH = timedelta(seconds=10)


class SeenFile:
    """A `vispa_green.credentials.Seen` in a file of the server's own; threads take turns."""

    def __init__(self, path: Path) -> None:
        self._turn, self._forgot_at = threading.Lock(), datetime.min.replace(tzinfo=UTC)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            # A power failure may take the last seconds of it; the server is not up again while they count.
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS seen (mark TEXT PRIMARY KEY, until REAL NOT NULL) STRICT")
            self._db.execute("CREATE INDEX IF NOT EXISTS seen_until ON seen (until)")
        except (OSError, sqlite3.Error) as error:
            raise CredentialError(f"{path}: {error}; the server has to remember there which proofs it saw") from error

    def is_first(self, mark: str, until: datetime, now: datetime) -> bool:
        """Say whether this is the first time; remember it until it counts no more anyway."""
        with self._turn:
            try:
                self._forget(now)
                added = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (mark, until.timestamp()))
            except sqlite3.Error as error:
                raise CredentialError(f"which proofs were seen cannot be remembered: {error}") from error
            return added.rowcount == 1

    def _forget(self, now: datetime) -> None:
        """Drop what counts no more, now and then; one that is kept for longer is refused for its age anyway."""
        if abs(now - self._forgot_at) >= FORGETS_EACH:
            self._db.execute("DELETE FROM seen WHERE until < ?", (now.timestamp(),))
            self._forgot_at = now

    def close(self) -> None:
        """Release the file."""
        self._db.close()
