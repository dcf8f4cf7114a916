"""A PostgreSQL ledger beside its floor: rows/s that go in, and what the questions of `bench_ledger` cost.

5,000 jobs of 28 days, or `VISPA_GREEN_BENCH_JOBS` of `VISPA_GREEN_BENCH_DAYS`; the server is the tests' own, with
every commit on disk. No assertions on time, the machine is shared: figures of one run are to be compared.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from lab.postgres import SHARED, PostgresServer

from tests.benchmarks.bench_ledger import command, measured, questions
from tests.benchmarks.filled_ledger import CLUSTER, END, PROBE, ZONE, Load, fill, intervals, started_between
from vispa_green.ledgers import open_ledger
from vispa_green.model import Ledger, Origin, Selection, SpooledInterval

pytestmark = pytest.mark.full

LOAD = Load(
    int(os.environ.get("VISPA_GREEN_BENCH_JOBS", "5000")), int(os.environ.get("VISPA_GREEN_BENCH_DAYS", "28")), 20
)
BATCH, SINGLE = 480, 60
DURABLE = {"shared_buffers": "256MB", "max_wal_size": "2GB"}
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """What writing some rows took."""

    rows: int
    wall_s: float
    cpu_s: float

    def line(self, name: str) -> str:
        return f"{name:<44}{self.rows / self.wall_s:>9.0f} rows/s{self.rows / self.cpu_s:>10.0f} rows/s of client CPU"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(DURABLE) as running:
        yield running


def spent(rows: int, work: Callable[[], object]) -> Spent:
    wall_s, cpu_s = time.perf_counter(), _cpu_s()
    work()
    return Spent(rows, time.perf_counter() - wall_s, _cpu_s() - cpu_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def batches() -> list[list[SpooledInterval]]:
    """Return some nodes' quarter-hours, a batch for each."""
    first = END - timedelta(days=5)
    jobs = started_between(Load(20_000, 28, 20), first, END, 1)
    return [
        intervals(Load(20_000, 28, 20), node, [job for job in jobs if job.node == node], first, END)[:BATCH]
        for node in range(8)
    ]


def rows_of(batch: Sequence[SpooledInterval]) -> dict[str, list[Row]]:
    """Return rows as wide as the raw ones that a batch becomes, ready to be written."""
    tables: dict[str, list[Row]] = {"intervals": [], "entries": [], "shares": [], "presence": []}
    for number, item in enumerate(batch):
        one, end_us = item.interval, int(item.interval.end.timestamp()) * 1_000_000
        tables["intervals"].append((number, 1, 1, item.sequence, one.boot_id, end_us, end_us, one.duration_us,
                                    one.quality.value, one.reason, end_us))  # fmt: skip
        for entry in one.entries:
            tables["entries"].append((number, entry.component.value, entry.device, entry.quality.value,
                                      entry.measured_uj, entry.jobs_uj, entry.idle_uj, entry.system_uj, 0,
                                      entry.reason, end_us))  # fmt: skip
            tables["shares"] += [(1, number, entry.device, s.busy_uj, s.idle_uj, end_us) for s in entry.jobs]
        tables["presence"] += [(1, number, 1000, j.cpu_ns, j.present_us, 4, end_us) for j in one.jobs]
    return tables


def floor(server: PostgresServer, written: Sequence[dict[str, list[Row]]], *, by_copy: bool) -> None:
    """Write rows to plain tables without an index, a commit for each batch."""
    with psycopg.connect(server.url(SHARED), autocommit=True) as connection:
        for table, rows in written[0].items():
            types = ["text" if isinstance(value, str) else "bigint" for value in rows[0]]
            columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(types))
            connection.execute(f"DROP TABLE IF EXISTS floor_{table}; CREATE TABLE floor_{table} ({columns})".encode())
        for batch in written:
            with connection.transaction(), connection.cursor() as cursor:
                for table, rows in batch.items():
                    if by_copy:
                        with cursor.copy(f"COPY floor_{table} FROM STDIN".encode()) as copy:
                            for row in rows:
                                copy.write_row(row)
                    else:
                        marks = ", ".join(["%s"] * len(rows[0]))
                        cursor.executemany(f"INSERT INTO floor_{table} VALUES ({marks})".encode(), rows)


def append(ledger: Ledger, name: str, some: Sequence[Sequence[SpooledInterval]]) -> None:
    for number, batch in enumerate(some):
        ledger.energy.append(Origin(CLUSTER, f"{name}-{number % 8}"), batch, END)


def test_ingest_beside_its_floor(server: PostgresServer, tmp_path: Path) -> None:
    with closing(open_ledger(server.url(SHARED), create=True, cluster=CLUSTER, zone=ZONE)) as ledger:
        all_batches = batches()
        written = [rows_of(batch) for batch in all_batches]
        count = sum(len(rows) for batch in written for rows in batch.values())

        file = open_ledger(f"sqlite://{tmp_path / 'ledger.sqlite'}", create=True, cluster=CLUSTER, zone=ZONE)
        in_file = spent(count, lambda: append(file, "spool", all_batches))
        product = spent(count, lambda: append(ledger, "spool", all_batches))
        again = spent(count, lambda: append(ledger, "spool", all_batches))
        single = [[item] for batch in all_batches for item in batch[:SINGLE]]
        singles = spent(len(single), lambda: append(ledger, "one", single))
        file.close()
        copied = spent(count, lambda: floor(server, written, by_copy=True))
        executed = spent(count, lambda: floor(server, written, by_copy=False))
        assert ledger.energy.verify() == []
    print(f"\n{len(written)} batches of up to {BATCH} intervals, a commit each; {count} raw rows")
    print(in_file.line("append to a SQLite file"))
    print(product.line("append, with identities and roll-ups"))
    print(again.line("the same again (known intervals)"))
    print(copied.line("bare COPY, plain tables"))
    print(executed.line("bare executemany, plain tables"))
    print(
        f"one interval a commit: {singles.rows / singles.wall_s:.0f} /s, {singles.rows / singles.cpu_s:.0f} /s of CPU"
    )


@pytest.fixture(scope="module")
def full(server: PostgresServer) -> Iterator[tuple[str, Ledger]]:
    """The address of a ledger with the load in it, and the ledger."""
    server.execute("CREATE DATABASE filled OWNER vispa", "postgres")
    url = server.url("filled")
    with closing(open_ledger(url, create=True, cluster=CLUSTER, zone=ZONE)) as ledger:
        said: list[str] = []
        fill(ledger, LOAD, said.append)
        print(f"\n{LOAD}: {said[-1]}")
        server.execute("ANALYZE", "filled")
        yield url, ledger


@pytest.mark.timeout(4 * 3600)
def test_questions(full: tuple[str, Ledger], tmp_path: Path) -> None:
    url, ledger = full
    config = tmp_path / "config.toml"
    config.write_text(
        f'[ledger]\nurl = "{url}"\n[slurm]\nenabled = false\n[grid]\nproviders = []\n[access]\nothers = "always"\n'
    )
    nothing = measured(("-I", "-c", "pass"))
    one = ledger.energy.jobs(Selection(users=(PROBE,), start=END - timedelta(days=2)))[-1].key.job_id
    print(f"{'ms above python -c pass':<26}{'wall':>7}{'limit':>7}{'CPU':>7}{'MiB':>6}")
    for question in questions(one):
        cost = measured(command(config, *question.arguments))
        limit = "–" if question.limit_ms is None else f"{question.limit_ms:.0f}"
        wall_ms, cpu_ms = cost.wall_ms - nothing.wall_ms, cost.cpu_ms - nothing.cpu_ms
        print(f"{question.name:<26}{wall_ms:>7.0f}{limit:>7}{cpu_ms:>7.0f}{cost.peak_mib:>6.0f}")


@pytest.mark.timeout(4 * 3600)
def test_bytes_and_what_pruning_takes(server: PostgresServer, full: tuple[str, Ledger]) -> None:
    _, ledger = full

    def size_mib() -> float:
        return float(server.execute("SELECT pg_database_size('filled')", "postgres")[0][0]) / 2**20

    before, balance = size_mib(), ledger.energy.balance()
    verified = spent(1, ledger.energy.verify)
    pruned = spent(1, lambda: ledger.energy.prune(END))
    assert ledger.energy.balance() == balance
    print(f"\nverify {verified.wall_s:.1f} s; prune of all days {pruned.wall_s:.2f} s;"
          f" {before:.0f} MiB before, {size_mib():.0f} MiB after")  # fmt: skip
