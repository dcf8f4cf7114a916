"""Backups and exports: a copy is the ledger of one moment, a table is what the ledger sums to."""

from __future__ import annotations

import csv
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from lab.story import Story

from tests.unit.test_tag import fact
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, Selection

START = datetime(2026, 11, 17, 9, tzinfo=UTC)
SINCE = ("-S", "2026-11-17", "-E", "2026-11-18")


@pytest.fixture
def two_jobs(story: Story) -> Story:
    story.interval(START, 3600, {Component.CPU: {"1": (100_000_000, 7), "2": (900_000_000, 0)}})
    story.facts(fact("1"), fact("2", name='=HYPERLINK("x"),\n"'))
    return story


def test_a_backup_is_a_ledger_that_tells_the_same(two_jobs: Story, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    done = two_jobs.run("ledger", "backup", str(copy))
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o640
    ledgers = [open_ledger(url, read_only=True) for url in (two_jobs.url, f"sqlite://{copy}")]
    told = [(one.energy.jobs(Selection()), one.energy.balance(), one.energy.verify()) for one in ledgers]
    assert told[0] == told[1]
    assert told[0][2] == []
    for one in ledgers:
        one.close()
    again = two_jobs.run("ledger", "backup", str(copy))
    assert (again.returncode, "name a new file" in again.stderr) == (1, True)


def test_a_backup_while_an_agent_writes_is_of_one_moment(two_jobs: Story, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        hour = 1
        while not stop.is_set():
            two_jobs.interval(START + timedelta(hours=hour), 3600, {Component.CPU: {"3": (1000, 0)}})
            hour += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            assert two_jobs.run("ledger", "backup", str(tmp_path / f"{number}.sqlite")).returncode == 0
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        ledger = open_ledger(f"sqlite://{tmp_path}/{number}.sqlite", read_only=True)
        assert ledger.energy.verify() == []
        ledger.close()


def test_where_it_cannot_be_written_nothing_is_left(two_jobs: Story) -> None:
    done = two_jobs.run("ledger", "backup", "/dev/full/copy.sqlite")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(("what", "energy"), [("jobs", "energy_uj"), ("quarters", "busy_energy_uj")])
def test_a_table_sums_to_what_the_ledger_does(two_jobs: Story, tmp_path: Path, what: str, energy: str) -> None:
    table = tmp_path / "table.csv"
    done = two_jobs.run("ledger", "export", str(table), "--what", what, "-a", *SINCE)
    assert (done.returncode, done.stderr) == (0, "")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row[energy]) for row in rows) == (1_000_000_007 if what == "jobs" else 1_000_000_000)
    assert {row["submit"] for row in rows} <= {"2026-11-17T09:00:00Z", ""}
    assert stat.S_IMODE(table.stat().st_mode) == 0o640
    if what == "jobs":
        assert [row["name"] for row in rows] == ["train1", '=HYPERLINK("x"),\n"'], "a table for programs keeps texts"


def test_parquet_is_the_same_table(two_jobs: Story, tmp_path: Path) -> None:
    table = tmp_path / "it's.parquet"
    done = two_jobs.run("ledger", "export", str(table), "--what", "quarters", "-a", *SINCE)
    assert (done.returncode, done.stderr) == (0, "")
    named = str(table).replace("'", "''")
    with duckdb.connect() as database:
        database.execute(f"SELECT sum(busy_energy_uj), sum(idle_energy_uj) FROM '{named}'")
        assert database.fetchone() == (10**9, 7)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".csv"]
