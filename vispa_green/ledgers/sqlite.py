"""The ledger in one SQLite file: write-ahead log, full synchronisation, one schema, append-only by trigger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from vispa_green.errors import LedgerError, LedgerMissing
from vispa_green.model import (
    BalanceRow,
    Component,
    GridKind,
    GridValue,
    JobFact,
    JobId,
    JobPosting,
    JobPresence,
    Ledger,
    Move,
    NodeEnergy,
    NodeInterval,
    Promise,
    Quality,
    Quantity,
    Selection,
    SpooledInterval,
)

SCHEMA_VERSION = 1
SCHEMA, MOVES = "schema.sql", "moves.sql"
"""The tables of that version, and one that came later and that an older program does without."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_ABOUT = timedelta(seconds=1)


class SqliteLedger:
    """A `Ledger` in a local file. Several processes may write; each write waits its turn."""

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        self._db = connection
        self._place = place

    def append(self, spool_id: str, intervals: Sequence[SpooledInterval], received: datetime) -> int:
        """Add what is not there yet, all or nothing; return how many were new."""
        with self._transaction():
            return sum(self._append_one(spool_id, item.sequence, item.interval, received) for item in intervals)

    def _append_one(self, spool_id: str, sequence: int, interval: NodeInterval, received: datetime) -> bool:
        row = self._db.execute(
            "INSERT INTO node_interval (node, spool, sequence, boot_id, start_us, end_us, duration_us, quality,"
            " reason, received_us) VALUES (?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (spool, sequence) DO NOTHING RETURNING id",
            (interval.node, spool_id, sequence, interval.boot_id, _us(interval.start), _us(interval.end),
             interval.duration_us, interval.quality, interval.reason, _us(received)),
        ).fetchone()  # fmt: skip
        if row is None:
            return False
        (key,) = row
        for entry in interval.entries:
            known = entry.measured_uj is not None
            sums = (entry.jobs_uj, entry.idle_uj, entry.system_uj) if known else (None, None, None)
            self._db.execute(
                "INSERT INTO energy_entry VALUES (?,?,?,?,?,?,?,?,?)",
                (key, entry.component, entry.device, entry.quality, entry.measured_uj, *sums, entry.reason),
            )
            self._db.executemany(
                "INSERT INTO job_share VALUES (?,?,?,?,?)",
                [(share.job_id, key, entry.device, share.busy_uj, share.idle_uj) for share in entry.jobs],
            )
        self._db.executemany(
            "INSERT INTO job_presence VALUES (?,?,?,?,?,?)",
            [(j.job_id, key, j.binding.uid, j.cpu_ns, j.present_us, j.binding.allocated_cpus) for j in interval.jobs],
        )
        return True

    def balance(self) -> list[BalanceRow]:
        """Return the sums by node and component; what jobs carry is summed from their own rows."""
        # The shares are summed by themselves, so that a lost or doubled share would show here.
        rows = self._read(
            """
            WITH charged AS (SELECT interval_id, device, sum(busy_uj + idle_uj) AS jobs_uj
                             FROM job_share GROUP BY interval_id, device)
            SELECT n.node, e.component, sum(e.measured_uj), coalesce(sum(c.jobs_uj), 0),
                   sum(e.idle_uj), sum(e.system_uj)
            FROM energy_entry e JOIN node_interval n ON n.id = e.interval_id
            LEFT JOIN charged c ON c.interval_id = e.interval_id AND c.device = e.device
            WHERE e.measured_uj IS NOT NULL
            GROUP BY n.node, e.component ORDER BY n.node, e.component
            """
        )
        return [BalanceRow(node, Component(component), *sums) for node, component, *sums in rows]

    def node_energy(self, start: datetime, end: datetime) -> Iterable[NodeEnergy]:
        """Yield what nodes measured in the intervals that overlap ``[start, end)``, in order of time."""
        rows = self._read(
            """
            SELECT n.node, e.component, e.quality, n.start_us, n.end_us,
                   sum(e.measured_uj), sum(e.jobs_uj), sum(e.idle_uj), sum(e.system_uj)
            FROM node_interval n JOIN energy_entry e ON e.interval_id = n.id
            WHERE n.end_us > ? AND n.start_us < ? AND e.measured_uj IS NOT NULL
            GROUP BY n.id, e.component, e.quality ORDER BY n.start_us, n.node
            """,
            (_us(start), _us(end)),
        )
        for node, component, quality, begin, until, *sums in rows:
            yield NodeEnergy(node, Component(component), Quality(quality), _utc(begin), _utc(until), *sums)

    def postings(self, selection: Selection) -> Iterable[JobPosting]:
        """Yield what jobs were charged, in order of time."""
        where, values = _where(selection, "s")
        rows = self._read(
            "SELECT s.job_id, n.node, e.component, e.quality, n.start_us, n.end_us, s.busy_uj, s.idle_uj"  # noqa: S608 - our own text
            " FROM job_share s JOIN node_interval n ON n.id = s.interval_id"
            " JOIN energy_entry e ON e.interval_id = s.interval_id AND e.device = s.device"
            f" WHERE {where} ORDER BY n.start_us",
            values,
        )
        for job_id, node, component, quality, start, end, busy, idle in rows:
            yield JobPosting(job_id, node, Component(component), Quality(quality), _utc(start), _utc(end), busy, idle)

    def presence(self, selection: Selection) -> list[JobPresence]:
        """Return where and how long jobs were watched; a gap adds nothing to ``present_us``."""
        where, values = _where(selection, "p")
        rows = self._read(
            "SELECT p.job_id, n.node, max(p.uid), min(n.start_us), max(n.end_us),"  # noqa: S608 - our own text
            " sum(CASE n.quality WHEN 'measured' THEN p.present_us ELSE 0 END), sum(p.cpu_ns)"
            " FROM job_presence p JOIN node_interval n ON n.id = p.interval_id"
            f" WHERE {where} GROUP BY p.job_id, n.node ORDER BY min(n.start_us), p.job_id",
            values,
        )
        return [JobPresence(job, node, uid, _utc(a), _utc(b), us, ns) for job, node, uid, a, b, us, ns in rows]

    def append_grid_values(self, values: Sequence[GridValue]) -> int:
        """Add the values that differ from the latest stored issue of the same time, kind and source."""
        added = 0
        with self._transaction():
            for value in values:
                key = (value.quantity, value.kind, value.source, _us(value.start), _us(value.end))
                latest = self._db.execute(
                    "SELECT value FROM grid_value WHERE quantity=? AND kind=? AND source=? AND start_us=?"
                    " AND end_us=? ORDER BY id DESC LIMIT 1",
                    key,
                ).fetchone()
                if latest != (value.value,):
                    stamps = (_us(value.issued_at), _us(value.fetched_at))
                    self._db.execute(
                        "INSERT INTO grid_value (quantity, kind, source, start_us, end_us, value, issued_us,"
                        " fetched_us) VALUES (?,?,?,?,?,?,?,?)",
                        (*key, value.value, *stamps),
                    )
                    added += 1
        return added

    def grid_values(self, quantity: Quantity, start: datetime, end: datetime) -> list[GridValue]:
        """Return, of each kind and source, the latest issue of every value that overlaps the span."""
        rows = self._read(
            """
            SELECT kind, start_us, end_us, value, source, issued_us, fetched_us FROM grid_value
            WHERE id IN (SELECT max(id) FROM grid_value WHERE quantity = ? AND end_us > ? AND start_us < ?
                         GROUP BY kind, source, start_us, end_us)
            ORDER BY start_us, id
            """,
            (quantity, _us(start), _us(end)),
        )
        return [
            GridValue(quantity, GridKind(kind), _utc(a), _utc(b), value, source, _utc(issued), _utc(fetched))
            for kind, a, b, value, source, issued, fetched in rows
        ]

    def append_promise(self, promise: Promise) -> None:
        """Keep what a green submission promised."""
        text = _codec(Promise).dump_json(promise).decode()
        with self._transaction():
            self._db.execute(
                "INSERT INTO promise (job_id, submitted_us, promise) VALUES (?,?,?)",
                (promise.job_id, _us(promise.submitted), text),
            )

    def promises(self, job_ids: Sequence[JobId] = ()) -> list[Promise]:
        """Return the promises of these jobs, or all, oldest first."""
        rows = self._read("SELECT job_id, promise FROM promise ORDER BY submitted_us, id")
        wanted = set(job_ids)
        return [_codec(Promise).validate_json(text) for job, text in rows if not wanted or job in wanted]

    def append_moves(self, moves: Sequence[Move]) -> None:
        """Keep how planned starts were changed; the table is made in a ledger that is older than it."""
        rows = [(move.job_id, _us(move.moved_at), _codec(Move).dump_json(move).decode()) for move in moves]
        with self._transaction():
            _run_script(self._db, MOVES)
            # Adds nothing, but is a write: BEGIN IMMEDIATE alone passes in a file that may only be read.
            self._db.execute("INSERT INTO move (job_id, moved_us, move) SELECT '', 0, '' WHERE 0")
            self._db.executemany("INSERT INTO move (job_id, moved_us, move) VALUES (?,?,?)", rows)

    def moves(self, job_ids: Sequence[JobId] = ()) -> list[Move]:
        """Return the moves of these jobs, or all, oldest first; none where the ledger is older than they are."""
        if not list(self._read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'move'")):
            return []
        rows = self._read("SELECT job_id, move FROM move ORDER BY id")
        wanted = set(job_ids)
        return [_codec(Move).validate_json(text) for job, text in rows if not wanted or job in wanted]

    def append_job_facts(self, facts: Sequence[JobFact], recorded: datetime) -> int:
        """Add the facts that differ from the latest of their job; return how many."""
        added = 0
        with self._transaction():
            for fact in facts:
                text = _codec(JobFact).dump_json(fact).decode()
                latest = self._db.execute(
                    "SELECT fact FROM job_fact WHERE job_id = ? ORDER BY id DESC LIMIT 1", (fact.job_id,)
                ).fetchone()
                if latest != (text,):
                    self._db.execute(
                        "INSERT INTO job_fact (job_id, recorded_us, fact) VALUES (?,?,?)",
                        (fact.job_id, _us(recorded), text),
                    )
                    added += 1
        return added

    def job_facts(self, selection: Selection) -> list[JobFact]:
        """Return the latest facts of the selected jobs, of an array or het job also by the id shown to users."""
        clauses, values = _fact_clauses(selection)
        rows = self._read(
            "SELECT fact FROM job_fact"  # noqa: S608 - our own text
            f" WHERE {' AND '.join(['id IN (SELECT max(id) FROM job_fact GROUP BY job_id)', *clauses])}",
            values,
        )
        facts = (_codec(JobFact).validate_json(text) for (text,) in rows)
        return [fact for fact in facts if _overlaps(fact, selection)]

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise LedgerError(f"{self._place}: {error}") from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _read(self, query: str, values: Sequence[object] = ()) -> Iterable[tuple[Any, ...]]:
        try:
            return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"{self._place}: {error}") from error


def open_ledger(url: str, *, create: bool, read_only: bool) -> Ledger:
    """Open ``sqlite:////absolute/path``; make file, directory and tables where ``create`` allows it."""
    path = Path(url.removeprefix("sqlite://"))
    if not path.is_absolute():
        raise LedgerError(f"[ledger] url: {url!r} needs an absolute path, as in sqlite:////var/lib/x.sqlite")
    try:
        if not create and not path.exists():
            raise LedgerMissing(
                f"there is no ledger at {path}: has an agent run yet,"
                " and does [ledger] url name the same place for both?"
            )
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = _to_read(path) if read_only else _opened(path, "mode=rwc" if create else "mode=rw")
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"the ledger at {path} cannot be opened: {error}") from error
    return SqliteLedger(connection, str(path))


def _opened(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=30, isolation_level=None)
    try:
        _prepare(connection, read_only="mode=ro" in options)
    except BaseException:
        connection.close()
        raise
    return connection


def _to_read(path: Path) -> sqlite3.Connection:
    """Open to read, also where this user may not write the directory and no agent has the ledger open.

    SQLite reads a write-ahead log through a file beside it, which it would have to make then. An empty
    log needs none: all is in the ledger itself, and nobody is there to change it.
    """
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
    path.open("rb").close()  # says so if it is the ledger itself that may not be read
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise LedgerError(
            f"the ledger at {path} cannot be read now: its newest part is still in {log.name}, and this user may not"
            f" write to {path.parent}; start an agent there, or ask the owner of the ledger to run this command once"
        )
    return _opened(path, "mode=ro&immutable=1")


def _prepare(connection: sqlite3.Connection, *, read_only: bool) -> None:
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and not read_only:
        _create_tables(connection)
    elif version not in {0, SCHEMA_VERSION}:
        message = f"it has schema {version}, this program knows {SCHEMA_VERSION}: install a newer vispa-green"
        raise sqlite3.DatabaseError(message)


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two agents may come here at once: the second finds it done
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        _run_script(connection, SCHEMA)
        _run_script(connection, MOVES)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _run_script(connection: sqlite3.Connection, name: str) -> None:
    for statement in _statements((files("vispa_green.ledgers") / name).read_text(encoding="utf-8")):
        connection.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; ``executescript`` would commit our transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _where(selection: Selection, alias: str) -> tuple[str, list[object]]:
    clauses, values = ["1"], list[object]()
    if selection.job_ids:
        clauses.append(f"{alias}.job_id IN ({','.join('?' * len(selection.job_ids))})")
        values += selection.job_ids
    if selection.start is not None:
        clauses.append("n.end_us > ?")
        values.append(_us(selection.start))
    if selection.end is not None:
        clauses.append("n.start_us < ?")
        values.append(_us(selection.end))
    return " AND ".join(clauses), values


def _fact_clauses(selection: Selection) -> tuple[list[str], list[str]]:
    """Return conditions that drop most unwanted facts in SQL; `_overlaps` decides to the microsecond."""
    clauses, values = list[str](), list[str]()
    shown = "json_extract(fact, '$.display_id')"
    if selection.job_ids:
        whole = " ".join(
            f"WHEN instr({shown}, '{mark}') THEN substr({shown}, 1, instr({shown}, '{mark}') - 1)" for mark in "_+"
        )
        ids = "(SELECT value FROM json_each(?))"
        clauses.append(f"(job_id IN {ids} OR {shown} IN {ids} OR CASE {whole} END IN {ids})")
        values += [json.dumps(selection.job_ids)] * 3
    # julianday() is NULL for what is not known, and exact to the millisecond.
    if selection.start is not None:
        clauses.append("ifnull(julianday(json_extract(fact, '$.end')) > julianday(?), 1)")
        values.append((selection.start - _ABOUT).isoformat())
    if selection.end is not None:
        clauses.append("ifnull(julianday(json_extract(fact, '$.start')) < julianday(?), 1)")
        values.append((selection.end + _ABOUT).isoformat())
    return clauses, values


def _overlaps(fact: JobFact, selection: Selection) -> bool:
    starts_before = selection.end is None or fact.start is None or fact.start < selection.end
    ends_after = selection.start is None or fact.end is None or fact.end > selection.start
    return starts_before and ends_after


@cache
def _codec(kind: type) -> Any:  # noqa: ANN401 - pydantic's adapter is generic in the type it is given
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def _utc(us: int) -> datetime:
    return EPOCH + us * MICROSECOND
