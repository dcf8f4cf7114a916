"""The spool's files: made private, opened without following links, and told apart from damaged ones.

The owner writes, a group may read, nobody else: energies by interval tell what a node computes.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vispa_green.errors import SpoolDamaged, SpoolError
from vispa_green.numbers import whole_number

DIRECTORY_MODE, FILE_MODE = 0o750, 0o640
TABLES = """
CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    interval TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
    sequence INTEGER,
    kind TEXT NOT NULL,
    record TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
"""
LOCKED_FOR_S = 5.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_OTHER_TABLES = ("no such table", "no such column")


def make_directory(directory: Path) -> None:
    """Make the spool's directory where it is not there; raise `SpoolError` for one that anybody may write to."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
        mode = directory.stat().st_mode
    except OSError as error:
        raise SpoolError(
            f"the spool {directory} cannot be used: {error.strerror}; set [agent] spool_dir to a directory that"
            " this user may write to"
        ) from error
    if mode & stat.S_IWOTH:
        raise SpoolError(
            f"the spool {directory} may be written to by anybody: `chmod 0750 {directory}`, or set [agent] spool_dir"
        )


def open_private(path: Path) -> int:
    """Open or make a file of ours and return its descriptor; raise `SpoolError` for a link or another's file."""
    remedy = "move it away, or set [agent] spool_dir to a directory that only this user may write to"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        what = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise SpoolError(f"the spool's file {path} cannot be used: {what}; {remedy}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid != os.geteuid():
        os.close(descriptor)
        raise SpoolError(f"the spool's file {path} is not this user's own: {remedy}")
    if found.st_mode & 0o777 & ~FILE_MODE:
        os.fchmod(descriptor, found.st_mode & FILE_MODE)
    return descriptor


def opened(path: Path) -> sqlite3.Connection:
    """Open the spool's database, made where it is not there; raise `SpoolDamaged` if it cannot be read."""
    os.close(open_private(path))
    for suffix in ("-wal", "-shm"):
        if (beside := path.with_name(path.name + suffix)).is_symlink():
            raise SpoolError(f"{beside} is a symbolic link, which no agent makes: remove it")
    with trouble(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=LOCKED_FOR_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(TABLES)
            connection.execute("SELECT start_us FROM outbox LIMIT 0")
            _check_pages(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise SpoolDamaged(f"{path}: {verdict}")


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Raise `SpoolDamaged` for a file that is not what it was, `SpoolError` for one that cannot be used now."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        broken = code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_IOERR_SHORT_READ
        kind = SpoolDamaged if broken or str(error).startswith(_OTHER_TABLES) else SpoolError
        raise kind(f"{path}: {error}") from error


def identity(database: sqlite3.Connection) -> str:
    """Return the spool's own name, drawing one for a new spool."""
    database.execute(
        "INSERT INTO memory (key, value) VALUES ('spool_id', ?) ON CONFLICT (key) DO NOTHING", (str(uuid.uuid4()),)
    )
    return recall(database, "spool_id") or ""


def recall(database: sqlite3.Connection, key: str) -> str | None:
    """Return what was remembered under a key."""
    row = database.execute("SELECT value FROM memory WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def remember(database: sqlite3.Connection, key: str, value: str) -> None:
    """Remember a value, within the transaction of the caller."""
    database.execute(
        "INSERT INTO memory (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def set_aside(database: sqlite3.Connection, sequence: int | None, kind: str, record: str, reason: str) -> None:
    """Put a record where nobody delivers it, for people to look at."""
    database.execute(
        "INSERT INTO quarantine (sequence, kind, record, reason) VALUES (?,?,?,?)", (sequence, kind, record, reason)
    )


def read_mark(path: Path) -> int | None:
    """Return the number in a file of ours; ``None`` where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - of a descriptor
        return whole_number(file.read(100).strip())


def write_private(path: Path, text: str) -> None:
    """Replace a file of ours in one step; that it cannot be is no reason to stop."""
    staged = path.with_name(f"{path.name}.new")
    try:
        staged.unlink(missing_ok=True)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a descriptor
            file.write(text)
        staged.replace(path)
    except OSError:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
