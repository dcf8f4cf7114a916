"""Ledgers in SQLite files: append-only by trigger, for their owner and group alone, readable without writing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from lab.privilege import file_permissions_hold

from tests.contracts.rows import ORIGIN, START, fact, spooled
from vispa_green.errors import ConfigError, LedgerError, LedgerMissing, UnknownPlugin
from vispa_green.ledgers import open_ledger
from vispa_green.ledgers.sqlite import _make_file


def url_of(directory: Path) -> str:
    return f"sqlite://{directory / 'ledger.sqlite'}"


def test_the_world_may_not_read_what_an_agent_makes(tmp_path: Path) -> None:
    place = tmp_path / "made" / "ledger.sqlite"
    ledger = open_ledger(f"sqlite://{place}", create=True)
    ledger.energy.append(ORIGIN, spooled(1), START)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (place.parent, *place.parent.iterdir())}
    ledger.close()
    assert modes.pop("made") == 0o750
    assert modes
    assert set(modes.values()) == {0o640}


@pytest.mark.parametrize("table", ["node_interval", "energy_entry", "job_share", "job_presence"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET interval_id = 9"])
def test_sqlite_refuses_to_rewrite_the_account(tmp_path: Path, table: str, change: str) -> None:
    ledger = open_ledger(url_of(tmp_path), create=True)
    ledger.energy.append(ORIGIN, spooled(1), START)
    ledger.close()
    statement = change.format(table).replace("node_interval SET interval_id", "node_interval SET id")
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    connection.close()


def test_sqlite_refuses_an_unbalanced_row(tmp_path: Path) -> None:
    ledger = open_ledger(url_of(tmp_path), create=True)
    ledger.energy.append(ORIGIN, spooled(1), START)
    ledger.close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(
            "INSERT INTO energy_entry (interval_id, component, device, quality, measured_uj, jobs_uj, idle_uj,"
            " system_uj, contained, reason) VALUES (1, 'cpu', 'x', 'measured', 10, 5, 5, 1, 0, '')"
        )
    connection.close()


def test_a_ledger_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(LedgerMissing, match="has an agent run yet"):
        open_ledger(url_of(tmp_path))


def test_a_url_we_cannot_follow_is_explained() -> None:
    with pytest.raises(ConfigError, match="sqlite:////absolute"):
        open_ledger("/var/lib/ledger.sqlite")
    with pytest.raises(UnknownPlugin, match="did you mean 'sqlite'"):
        open_ledger("sqlit:////x")
    with pytest.raises(LedgerError, match="absolute path"):
        open_ledger("sqlite://relative.sqlite")


def test_a_file_that_is_no_ledger_is_one_line_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("something else entirely, long enough to be read as a header")
    with pytest.raises(LedgerError, match="cannot be opened"):
        open_ledger(url_of(tmp_path))


@contextmanager
def reader_of(directory: Path, **modes: int) -> Iterator[None]:
    """Be somebody who may read what is in a directory, and write none of it; ``modes`` name exceptions."""
    paths = [*directory.iterdir(), directory]
    before = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(modes.get(path.stem, 0o555 if path.is_dir() else 0o444))
    try:
        with file_permissions_hold():
            yield
    finally:
        for path in reversed(paths):
            if path.exists():
                path.chmod(before[path])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a ledger that nobody has open."""
    directory = tmp_path / "site"
    directory.mkdir()
    ledger = open_ledger(url_of(directory), create=True)
    ledger.energy.append(ORIGIN, spooled(1), START)
    ledger.close()
    return directory


def test_sqlite_is_read_by_who_may_not_write_while_nobody_has_it_open(site: Path) -> None:
    assert [path.name for path in site.iterdir()] == ["ledger.sqlite"]
    with reader_of(site):
        ledger = open_ledger(url_of(site), read_only=True)
        assert ledger.energy.balance()[0].measured_uj == 1000
        with pytest.raises(LedgerError, match="readonly"):
            ledger.energy.append(ORIGIN, spooled(2), START)
        ledger.close()


def test_sqlite_is_read_by_who_may_not_write_while_an_agent_has_it_open(site: Path) -> None:
    agent = open_ledger(url_of(site))
    agent.energy.append(ORIGIN, spooled(2), START)
    with reader_of(site):
        ledger = open_ledger(url_of(site), read_only=True)
        assert ledger.energy.balance()[0].measured_uj == 2000
        ledger.close()
    agent.close()


def test_sqlite_says_what_to_do_where_the_newest_part_cannot_be_read(site: Path) -> None:
    """A crash leaves the write-ahead log; a backup without its index is what only an owner can read."""
    agent = open_ledger(url_of(site))
    agent.energy.append(ORIGIN, spooled(2), START)
    crashed = site / "crashed"
    crashed.mkdir(mode=0o755)
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        shutil.copy(site / name, crashed / name)
    agent.close()
    with reader_of(crashed), pytest.raises(LedgerError, match="start an agent there, or ask the owner"):
        open_ledger(url_of(crashed), read_only=True)
    open_ledger(url_of(crashed), read_only=True).close()
    with reader_of(crashed):
        ledger = open_ledger(url_of(crashed), read_only=True)
        assert ledger.energy.balance()[0].measured_uj == 2000
        ledger.close()


@pytest.mark.parametrize("closed", ["ledger", "site"])
def test_sqlite_says_when_the_ledger_may_not_be_read_at_all(site: Path, closed: str) -> None:
    with reader_of(site, **{closed: 0}), pytest.raises(LedgerError, match="Permission denied"):
        open_ledger(url_of(site), read_only=True)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job_quarter SET busy_uj = busy_uj + 1",
        "UPDATE job_quarter SET idle_uj = idle_uj - 1",
        "UPDATE job_total SET busy_uj = busy_uj + 1",
        "UPDATE owner_day SET busy_uj = busy_uj + 1",
        "UPDATE owner_day SET owner = 'eve'",
        "UPDATE node_quarter SET jobs_uj = jobs_uj + 1",
        "UPDATE node_quarter SET measured_uj = measured_uj + 1, idle_uj = idle_uj + 1",
        "DELETE FROM node_quarter",
        "DELETE FROM job_total",
        "DELETE FROM job_quarter",
        "DROP TRIGGER job_share_kept; UPDATE job_share SET busy_uj = busy_uj + 1",
        "DROP TRIGGER job_share_held; DELETE FROM job_share",
    ],
)
def test_one_microjoule_that_is_not_where_it_belongs_is_told(tmp_path: Path, change: str) -> None:
    ledger = open_ledger(url_of(tmp_path), create=True)
    ledger.energy.append(ORIGIN, spooled(1, 2), START)
    assert ledger.energy.verify() == []
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.executescript(change)
    connection.close()
    assert ledger.energy.verify() != []
    ledger.close()


def test_who_opens_a_new_ledger_waits_for_another_who_does(tmp_path: Path) -> None:
    """As agents do after a reboot. SQLite itself does not wait to switch a file to its log."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
        ends.start()
        open_ledger(url_of(tmp_path), create=True).close()
        ends.join()


def test_making_a_ledger_that_is_there_takes_no_lock_from_it(tmp_path: Path) -> None:
    """A close of a file takes all of a process's locks from it (fcntl(2)): then two would write at once."""
    open_ledger(url_of(tmp_path), create=True).close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = DELETE")
        writer.execute("BEGIN EXCLUSIVE")
        _make_file(tmp_path / "ledger.sqlite")
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        words = [sys.executable, "-c", code, str(tmp_path / "ledger.sqlite")]
        other = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "database is locked" in other.stderr


def test_a_project_that_nobody_said_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = open_ledger(f"sqlite://{path}", create=True)
    ledger.facts.append("lab", [fact("7", project="told")], START)
    ledger.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE job SET project = 'forged'")
        database.commit()
    ledger = open_ledger(f"sqlite://{path}")
    assert ledger.energy.verify() == ["job 7: it counts for project 'forged', its last tag or Slurm says 'told'"]
    ledger.close()
