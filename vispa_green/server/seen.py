"""Proofs that may count only once, remembered in a small file: also after the server was started anew."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from vispa_green.errors import CredentialError


class SeenFile:
    """A `vispa_green.credentials.Seen` in a file of the server's own; threads take turns."""

    def __init__(self, path: Path) -> None:
        self._turn = threading.Lock()
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
                self._db.execute("DELETE FROM seen WHERE until < ?", (now.timestamp(),))
                added = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (mark, until.timestamp()))
            except sqlite3.Error as error:
                raise CredentialError(f"which proofs were seen cannot be remembered: {error}") from error
            return added.rowcount == 1

    def close(self) -> None:
        """Release the file."""
        self._db.close()
