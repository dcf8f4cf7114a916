"""Copies of the account: a backup of the whole ledger while it is in use, and tables of it for other programs."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vispa_green.answers.asking import for_asker
from vispa_green.answers.jobs import JobChoice, jobs, open_account
from vispa_green.answers.tables import JOBS
from vispa_green.errors import LedgerError, UsageError
from vispa_green.model import JobPosting
from vispa_green.session import Session

PAGES_AT_ONCE = 4096
"""So many are copied before writers get a turn (sqlite3_backup_step)."""
FILE_MODE = 0o640

Progress = Callable[[int, int], None]
"""Told how many pages of how many are still to be copied."""

QUARTERS: Mapping[str, Callable[[JobPosting], object]] = {
    "cluster": lambda one: one.key.cluster,
    "job_id_raw": lambda one: one.key.job_id,
    "submit": lambda one: one.key.submitted,
    "node": lambda one: one.node,
    "component": lambda one: one.component.value,
    "quality": lambda one: one.quality.value,
    "start": lambda one: one.start,
    "end": lambda one: one.end,
    "busy_energy_uj": lambda one: one.busy_uj,
    "idle_energy_uj": lambda one: one.idle_uj,
}
"""What jobs were charged, as finely as it is kept: by interval, or by quarter-hour after pruning."""


def back_up(session: Session, target: Path, progress: Progress | None = None) -> int:
    """Copy the ledger to a new file, as it is at one moment, while agents go on; return its size in bytes.

    Raises `LedgerError` where that cannot be; then there is no file, or the one that was there before.
    """
    source = _file_of(session.ledger_url)
    if target.exists():
        raise LedgerError(f"{target} is there already; name a new file")
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as ledger,
            closing(sqlite3.connect(partial)) as copy,
        ):
            told = (lambda _, left, total: progress(left, total)) if progress else None
            ledger.backup(copy, pages=PAGES_AT_ONCE, progress=told)
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy, target)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"the ledger at {source} cannot be copied to {target}: {error}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return target.stat().st_size


def exported(session: Session, choice: JobChoice, what: str) -> Iterator[tuple[str, ...]]:
    """Yield the header and the rows of a table, as far as the asker may see it: ``jobs`` or ``quarters``."""
    if what == "jobs":
        yield from _rows(JOBS, jobs(session, choice).rows)
        return
    ledger = open_account(session)
    try:
        yield from _rows(QUARTERS, ledger.energy.postings(for_asker(session, choice.selection)))
    finally:
        ledger.close()


def write_csv(rows: Iterable[tuple[str, ...]], target: Path) -> int:
    """Write rows as RFC 4180, whole or not at all; return how many there are besides the header."""
    partial, count = target.with_name(f".{target.name}.{os.getpid()}"), -1
    try:
        with open(partial, "x", newline="", encoding="utf-8", opener=_private) as file:
            writer = csv.writer(file)
            for count, row in enumerate(rows):  # noqa: B007 - the last number is how many there are
                writer.writerow(row)
        partial.replace(target)
    except OSError as error:
        raise LedgerError(f"{target}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return count


def write_parquet(rows: Iterable[tuple[str, ...]], target: Path) -> int:
    """Write rows as Parquet with DuckDB, which finds the types; raise `UsageError` where it is not installed."""
    try:
        import duckdb
    except ImportError:
        raise UsageError("Parquet needs DuckDB: pip install 'vispa-green[analytics]'") from None
    between = target.with_name(f".{target.name}.csv")
    try:
        count = write_csv(rows, between)
        source, goal = (str(path).replace("'", "''") for path in (between, target))
        table = f"read_csv('{source}', header = true)"
        with duckdb.connect() as database:
            database.execute(f"COPY (FROM {table}) TO '{goal}' (FORMAT parquet, COMPRESSION zstd)")
        target.chmod(FILE_MODE)
    except duckdb.Error as error:
        raise LedgerError(f"{target}: {error}") from error
    finally:
        between.unlink(missing_ok=True)
    return count


def _file_of(url: str) -> Path:
    """Return the file of a ledger that is one; raise `LedgerError` that says how else it is backed up."""
    scheme, _, path = url.partition("://")
    if scheme == "postgresql":
        raise LedgerError("a ledger in PostgreSQL is backed up by its own program: pg_dump -Fc -f FILE DATABASE")
    if scheme != "sqlite":
        raise LedgerError(f"a ledger at {scheme}:// is backed up on the machine that keeps it")
    return Path(path)


def _rows(columns: Mapping[str, Callable[[Any], object]], values: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    yield tuple(columns)
    for value in values:
        yield tuple(_cell(of(value)) for of in columns.values())


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)


def _check(copy: sqlite3.Connection, target: Path) -> None:
    ((said,),) = copy.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        raise LedgerError(f"the copy of the ledger for {target} is not sound: {said}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
