"""The ledger in a PostgreSQL database (14 or newer): for a site whose server has many workers, or many readers.

The same books as in a file, by the same SQL. Raw rows have a partition for each day, whole days are dropped when they
are pruned. Writers wait for each other only where they tell of the same jobs or spools. Whoever is let in with
``SELECT let_in('ROLE')`` sees, whatever he asks for, the jobs of the user he logged in as.

The password is never part of the URL: libpq finds it in ``~/.pgpass``, in a service file or by peer authentication.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from vispa_green.errors import LedgerError, LedgerMissing
from vispa_green.host import Host
from vispa_green.ledgers import LedgerPlace
from vispa_green.ledgers._sql.connection import Connection, remember
from vispa_green.ledgers._sql.database import Rows
from vispa_green.ledgers._sql.dialect import POSTGRESQL
from vispa_green.ledgers._sql.ledger import SqlLedger
from vispa_green.ledgers._sql.migrating import bring_up_to_date, steps, version_fault
from vispa_green.model import Ledger
from vispa_green.registry import NoOptions

try:
    import psycopg
    from psycopg.adapt import Buffer, Loader
    from psycopg.pq import TransactionStatus
except ImportError as error:
    raise LedgerError("a PostgreSQL ledger needs psycopg: pip install 'vispa-green[postgres]'") from error

RAW = ("node_interval", "energy_entry", "job_share", "job_presence")
DAY_US = 86_400_000_000
EPOCH_DAY = date(1970, 1, 1)
MANY_JOBS = 64
"""A writer of more jobs holds all of their cluster: the server's table of locks is small."""
MANY_ROWS = 200
"""From so many rows on COPY is worth its additional questions."""
PATIENCE_MS = 30_000
"""So long a writer waits for another."""


class _WholeNumber(Loader):
    """Reads ``numeric``, which here are sums of whole numbers only."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


class PostgresDatabase:
    """A connection to a database. Writers hold what they will change, in one order, so that none waits for ever."""

    dialect = POSTGRESQL
    refusals: tuple[type[Exception], ...] = (psycopg.IntegrityError, psycopg.DataError, OverflowError)
    failures: type[Exception] = psycopg.Error

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._types: dict[str, dict[str, str]] = {}

    def execute(self, statement: str, values: Sequence[object] = (), /) -> Rows:
        """Execute a statement."""
        if not values:
            return self._connection.execute(statement.encode())
        return self._connection.execute(_translated(statement), values)

    def executemany(self, statement: str, rows: Sequence[Sequence[object]], /) -> None:
        """Execute a statement for each of some rows."""
        if rows:
            with self._connection.cursor() as cursor:
                cursor.executemany(_translated(statement), rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add many rows, by COPY if they are many."""
        names = ", ".join(columns)
        if len(rows) >= MANY_ROWS:
            self._copy(f"{table} ({names})", rows)
        elif rows:
            self.execute(f"INSERT INTO {table} ({names}) {self._unnested(table, columns)}", _columns(rows))

    def merge(
        self,
        table: str,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        adding: bool,
    ) -> None:
        """Add rows, or add to them, or set them, in the order of their key."""
        if not rows:
            return
        names = (*key, *columns)
        changes = ", ".join(f"{c} = {f'{table}.{c} + ' * adding}excluded.{c}" for c in columns)
        listed = ", ".join(names)
        head, conflict = f"INSERT INTO {table} ({listed})", f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        if len(rows) < MANY_ROWS:
            self.execute(f"{head} {self._unnested(table, names)} {conflict}", _columns(rows))
            return
        incoming = f"incoming_{table}"
        self.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {incoming} ON COMMIT DELETE ROWS AS SELECT {listed} FROM {table}"
            " WITH NO DATA"
        )
        self._copy(incoming, rows)
        self.execute(f"{head} SELECT * FROM {incoming} ORDER BY {', '.join(key)} {conflict}")
        self.execute(f"TRUNCATE {incoming}")

    def _copy(self, where: str, rows: Sequence[Sequence[object]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {where} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def _unnested(self, table: str, columns: Sequence[str]) -> str:
        """Return rows as a question whose values are the columns, an array each: one statement for some rows."""
        types = self._types_of(table)
        return f"SELECT * FROM unnest({', '.join(f'?::{types[column]}[]' for column in columns)})"

    def _types_of(self, table: str) -> dict[str, str]:
        if table not in self._types:
            rows = self.execute(
                "SELECT a.attname, format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)"
                " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
                " WHERE a.attrelid = ?::text::regclass AND a.attnum > 0 AND NOT a.attisdropped",
                (table,),
            )
            self._types[table] = dict(rows.fetchall())
        return self._types[table]

    def numbers(self, table: str, count: int) -> Sequence[int]:
        """Return numbers for new rows of a table."""
        rows = self.execute(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, ?)", (count,))
        return [number for (number,) in rows]

    def fresh(self, spool_id: int, sequences: Sequence[int]) -> set[int]:
        """Return which numbers of a spool were never delivered, and note that they are; its next writer waits."""
        self.execute("SELECT FROM spool WHERE id = ? FOR UPDATE", (spool_id,))
        rows = self.execute(
            "SELECT n FROM unnest(?::bigint[]) AS n JOIN spool ON spool.id = ? WHERE NOT delivered @> n",
            (list(sequences), spool_id),
        )
        found = {number for (number,) in rows}
        if found:
            self.execute(
                "UPDATE spool SET delivered = delivered +"
                " (SELECT range_agg(int8range(n, n, '[]')) FROM unnest(?::bigint[]) AS n) WHERE id = ?",
                (sorted(found), spool_id),
            )
        return found

    def have_days(self, ends_us: Collection[int]) -> None:
        """Make the partitions of the days in which intervals end; nobody prunes from here on."""
        self._lock("shared", "all")
        days = sorted({(end_us - 1) // DAY_US for end_us in ends_us})
        if self._missing(days):
            self._lock("exclusive", "days")
            for day in self._missing(days):
                for table in RAW:
                    name, low = f"{table}_{_day_name(day)}", day * DAY_US + 1
                    self.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING CONSTRAINTS INCLUDING INDEXES)")
                    self.execute(
                        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({low + DAY_US})"
                    )

    def _missing(self, days: Sequence[int]) -> list[int]:
        """Return the days without partitions, by the catalogue itself: caches do not know what another just made."""
        rows = self.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'job_presence'::regclass AND c.relname = ANY (?::text[])",
            ([f"job_presence_{_day_name(day)}" for day in days],),
        )
        there = {name for (name,) in rows}
        return [day for day in days if f"job_presence_{_day_name(day)}" not in there]

    def retire(self, before_us: int) -> int:
        """Drop the partitions of whole days; which numbers were delivered is kept with the spools anyway."""
        rows = self.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'node_interval'::regclass ORDER BY c.relname"
        ).fetchall()
        intervals = 0
        for (name,) in rows:
            suffix = name.removeprefix("node_interval_")
            if ((date.fromisoformat(suffix) - EPOCH_DAY).days + 1) * DAY_US <= before_us:
                intervals += self.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for table in RAW:
                    self.execute(f"DROP TABLE {table}_{suffix}")
        return intervals

    def begin(self) -> None:
        """Begin a transaction that writes."""
        self.execute("BEGIN")

    def begin_reading(self) -> None:
        """Begin a transaction whose questions are all answered from one state."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    @property
    def in_transaction(self) -> bool:
        """Whether one has begun, on a connection that still is one."""
        return self._connection.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    def hold_jobs(self, cluster_id: int, numbers: Collection[str]) -> None:
        """Let no other writer change the jobs of these numbers; of many, no job of their cluster."""
        if len(numbers) > MANY_JOBS:
            self.hold_cluster(cluster_id)
            return
        everything, cluster = _key("all"), _key(f"cluster {cluster_id}")
        self.execute("SELECT pg_advisory_xact_lock_shared(?), pg_advisory_xact_lock_shared(?)", (everything, cluster))
        if numbers:
            keys = sorted(_key(f"job {cluster_id} {number}") for number in numbers)
            self.execute("SELECT pg_advisory_xact_lock(k) FROM unnest(?::bigint[]) AS k", (keys,))

    def hold_cluster(self, cluster_id: int) -> None:
        """Let no other writer change any job of a cluster."""
        keys = _key("all"), _key(f"cluster {cluster_id}")
        self.execute("SELECT pg_advisory_xact_lock_shared(?), pg_advisory_xact_lock(?)", keys)

    def hold(self, what: str) -> None:
        """Let no other writer hold or share the same."""
        self._lock("exclusive", what)

    def share(self, what: str) -> None:
        """Let no other writer hold the same; others may share it."""
        self._lock("shared", what)

    def held(self, what: str) -> bool:
        """Hold the same if nobody else holds or shares it now."""
        return bool(self.execute("SELECT pg_try_advisory_xact_lock(?)", (_key(what),)).fetchone()[0])

    def hold_all(self) -> None:
        """Let no other writer hold anything."""
        self._lock("exclusive", "all")

    def _lock(self, how: str, what: str) -> None:
        function = "pg_advisory_xact_lock" + "_shared" * (how == "shared")
        self.execute(f"SELECT {function}(?)", (_key(what),))

    def version(self) -> int:
        """Return how many steps of migration were taken, 0 where there are no tables."""
        # The catalogue itself is asked: after a wait, caches do not know yet what another made meanwhile.
        tables = "SELECT 1 FROM pg_tables WHERE tablename = 'meta' AND schemaname = ANY (current_schemas(false))"
        if self.execute(tables).fetchone() is None:
            return 0
        row = self.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        return 0 if row is None else int(row[0])

    def took_step(self, number: int) -> None:
        """Keep that a step was taken."""
        remember(self, "version", str(number))

    def run_script(self, script: str) -> None:
        """Execute the statements of a step; one that was written for SQLite is read in our types."""
        for theirs, ours in SPELLINGS:
            script = re.sub(theirs, ours, script)
        self.execute(script)

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Let nobody else write meanwhile; all or nothing."""
        with self._connection.transaction():
            self.hold_all()
            yield

    def close(self) -> None:
        """Release it."""
        self._connection.close()

    def __del__(self) -> None:
        """Release it where nobody did, as a file's connection does."""
        self._connection.close()


SPELLINGS = (
    (r"\bINTEGER PRIMARY KEY\b", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
    (r"\bINTEGER\b", "bigint"),
    (r"\bREAL\b", "double precision"),
    (r"\bTEXT\b", "words"),
    (r"\) STRICT(, WITHOUT ROWID)?;", ");"),
)


class PostgresServers:
    """The databases that a ledger can be kept in; a `vispa_green.ledgers.LedgerPlace`."""

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Open ``postgresql://user@host/database``; make the tables where ``create`` allows it.

        The database itself has to be there. ``cluster`` is not needed: no row here is older than clusters.
        """
        _check_no_password(url)
        try:
            database = PostgresDatabase(_connected(url, read_only=read_only))
            try:
                version = database.version()
                if not read_only and (create or version) and 0 <= version < len(steps()):
                    bring_up_to_date(database, cluster, ZoneInfo(zone))
                _check_version(database.version(), url)
            except BaseException:
                database.close()
                raise
        except psycopg.Error as error:
            raise LedgerError(f"the ledger in {url} cannot be opened: {_line(error)}") from error
        return SqlLedger(Connection(database, url))


def make(host: Host | None, options: NoOptions) -> LedgerPlace:
    """Return the kind of place; what libpq has options for stands in the URL."""
    return PostgresServers()


def _check_no_password(url: str) -> None:
    parts = urlsplit(url)
    if parts.password is not None or {"password", "sslpassword"} & set(parse_qs(parts.query)):
        raise LedgerError(
            "[ledger] url holds a password, which every message would show: take it out, and put it into ~/.pgpass"
            " (mode 0600) of the user who runs this, or name a service (postgresql:///?service=NAME)"
        )


def _check_version(version: int, url: str) -> None:
    if version == 0:
        raise LedgerMissing(
            f"there is no ledger in {url}: has an agent run yet, and does [ledger] url name the same place for both?"
        )
    if fault := version_fault(version):
        raise LedgerError(f"the ledger in {url} cannot be opened: {fault}")


def _connected(url: str, *, read_only: bool) -> psycopg.Connection:
    connection = psycopg.connect(
        url, autocommit=True, client_encoding="utf8", connect_timeout=10, application_name="vispa-green"
    )
    connection.adapters.register_loader("numeric", _WholeNumber)
    if connection.info.server_version < 140_000 or connection.info.parameter_status("server_encoding") != "UTF8":
        connection.close()
        raise psycopg.NotSupportedError("it needs PostgreSQL 14 or newer, and a database in UTF8")
    connection.execute(f"SET lock_timeout = {PATIENCE_MS}; SET TIME ZONE 'UTC'")
    if read_only:
        connection.execute("SET default_transaction_read_only = on")
    return connection


@lru_cache(maxsize=512)
def _translated(statement: str) -> bytes:
    return statement.replace("%", "%%").replace("?::", "%b::").replace("?", "%s").encode()


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _key(what: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(hashlib.blake2b(f"vispa-green {what}".encode(), digest_size=8).digest(), signed=True)


def _day_name(day: int) -> str:
    return (EPOCH_DAY + timedelta(days=day)).isoformat().replace("-", "")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
