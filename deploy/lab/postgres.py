"""A real PostgreSQL server of this run's own: Debian's programs, a private directory, a unix socket and no port."""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import psycopg

from lab.processes import LabError, wait_until
from vispa_green.ledgers import open_ledger

OWNER = "vispa"
"""The role that ledgers belong to: no superuser, whom neither grants nor policies would bind."""
SHARED = "account"
"""A database that is there."""
READY_S, STOPPED_S = 30, 30
QUICK = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "jit": "off",
}  # fmt: skip
"""Nothing of a test's server has to outlive the machine."""
EMPTYING = """
    SET session_replication_role = replica;  -- no trigger refuses it then
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
                    WHERE c.relkind = 'r' LOOP
            EXECUTE 'DROP TABLE ' || name;
        END LOOP;
        FOR name IN SELECT quote_ident(tablename) FROM pg_tables
                    WHERE schemaname = 'public' AND tablename <> 'meta' LOOP
            EXECUTE 'DELETE FROM ' || name;
        END LOOP;
    END $$;
    DELETE FROM meta WHERE key NOT IN ('version', 'zone')
"""
"""What makes a ledger one without a row, in a tenth of the time in which its tables are made."""


def program(name: str) -> str:
    """Return where a program of the newest server is; raise `LabError` where none is installed."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(places[-1]) if places else shutil.which(name)
    if found is None:
        raise LabError("PostgreSQL is not installed; run deploy/setup.sh system")
    return found


class PostgresServer:
    """A server that is up while it is entered. Root starts it as another user, since it refuses to be root's."""

    def __init__(self, settings: Mapping[str, str] = QUICK) -> None:
        self.settings = {"listen_addresses": "", "max_connections": "60", "shared_buffers": "64MB", **settings}
        self._numbers = itertools.count(1)
        self._free: list[str] = []

    def start(self) -> None:
        """Make a cluster, and start it."""
        self.directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="postgres-"))  # a socket's path has to be short
        as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:
            account = _account()
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            as_user = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
        data = str(self.directory / "data")
        made = ["initdb", "-D", data, "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        done = subprocess.run(
            ["setpriv", *as_user, program(made[0]), *made[1:]],
            cwd=self.directory, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise LabError(f"initdb: {done.stderr.strip()}")
        settings = {**self.settings, "unix_socket_directories": str(self.directory)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("wb") as log:  # a test run that is killed takes its server with it
            self._process = subprocess.Popen(
                ["setpriv", *as_user, "--pdeathsig=INT", program("postgres"), "-D", data, *options],
                cwd=self.directory, stdout=log, stderr=log,
            )  # fmt: skip
        if not wait_until(self._answers, READY_S):
            self.stop()
            raise LabError(f"PostgreSQL did not come up; see {self.directory / 'log'}")
        self.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE", "postgres")
        self.execute(f"CREATE DATABASE {SHARED} OWNER {OWNER}", "postgres")

    def stop(self) -> None:
        """Stop it at once, and remove what it had."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOPPED_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def execute(self, statement: str, database: str) -> list[tuple[Any, ...]]:
        """Execute a statement as superuser, and return its rows."""
        with psycopg.connect(self.url(database, "admin"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str, user: str = OWNER) -> str:
        """Return the address of a database for a role."""
        return f"postgresql://{user}@/{database}?host={self.directory}"

    @contextmanager
    def database(self, like: str = "template1") -> Iterator[str]:
        """Yield the name of a new database, a copy of another to which nobody is connected; at first an empty one."""
        name = f"copy{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {like}{self._by_files}", "postgres")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)", "postgres")

    @contextmanager
    def ledger(self) -> Iterator[str]:
        """Yield the name of a database with a ledger that has no row: one that served before, which is faster."""
        if not self._free:
            self._free.append(f"ledger{next(self._numbers)}")
            self.execute(f"CREATE DATABASE {self._free[-1]} OWNER {OWNER} TEMPLATE {self.made}", "postgres")
        name = self._free.pop()
        try:
            yield name
        finally:
            self.execute(EMPTYING, name)
            self._free.append(name)

    def rezone(self, name: str, zone: str) -> None:
        """Let an empty ledger keep the days of another zone."""
        self.execute(f"UPDATE meta SET value = '{zone}' WHERE key = 'zone'", name)

    @cached_property
    def made(self) -> str:
        """A database with the tables of a ledger, to be copied in a third of the time in which they are made."""
        self.execute(f"CREATE DATABASE made OWNER {OWNER}", "postgres")
        open_ledger(self.url("made"), create=True).close()
        return "made"

    @cached_property
    def _by_files(self) -> str:
        [(version,)] = self.execute("SHOW server_version_num", "postgres")
        return " STRATEGY file_copy" if int(version) >= 150_000 else ""  # the only way before

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            return True  # it will say so itself
        with suppress(psycopg.OperationalError):
            self.execute("SELECT 1", "postgres")
            return True
        return False


@cache
def shared_server() -> PostgresServer:
    """Return the server that all tests of this process share; it stops with the process."""
    server = PostgresServer()
    server.start()
    atexit.register(server.stop)
    return server


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise LabError("there is neither a user postgres nor nobody to run PostgreSQL as")
