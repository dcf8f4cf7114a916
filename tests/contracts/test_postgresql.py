"""Ledgers in PostgreSQL: what only a server has. Days in partitions, readers held by the database, many writers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab.hosttree import HostTree
from lab.postgres import OWNER, program, shared_server

from tests.contracts.plain_sql import asked, copied_ledger
from tests.contracts.real_server import me
from tests.contracts.rows import HOUR, ORIGIN, SECOND, START, charged, deliver, fact, spooled, two_users
from vispa_green.errors import LedgerError, LedgerMissing
from vispa_green.ledgers import open_ledger
from vispa_green.ledgers._sql.codec import us
from vispa_green.ledgers._sql.migrating import steps
from vispa_green.ledgers._sql.week_parts import mark
from vispa_green.ledgers.postgresql import PostgresDatabase
from vispa_green.model import (
    GridKind,
    GridValue,
    Ledger,
    Origin,
    ProjectTag,
    Quantity,
    Selection,
    SpooledInterval,
)

DAY = 24 * HOUR


def partitions(url: str) -> set[str]:
    rows = asked(
        url, "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r'"
    )
    return {name for (name,) in rows}


# ---- days -----------------------------------------------------------------------------------------------


def test_whole_days_go_as_partitions_and_what_was_delivered_stays_known(url: str) -> None:
    with closing(open_ledger(url, create=True)) as ledger:
        intervals = [charged({"7": 1000 + day}, START + day * DAY, HOUR) for day in range(3)]
        deliver(ledger, intervals)
        before = ledger.energy.balance(), ledger.energy.jobs(Selection())
        days = {f"{table}_2026062{n}" for table in ("node_interval", "energy_entry", "job_share", "job_presence")
                for n in (1, 2, 3)}  # fmt: skip
        assert partitions(url) == days
        assert ledger.energy.prune(START + 2 * DAY).intervals == 2
        assert partitions(url) == {name for name in days if name.endswith("23")}
        assert (ledger.energy.balance(), ledger.energy.jobs(Selection())) == before
        assert ledger.energy.verify() == []
        again = [SpooledInterval(number, one) for number, one in enumerate(intervals, 1)]
        assert ledger.energy.append(Origin("lab", "spool"), again, START) == 0


def test_a_day_that_was_dropped_comes_again_for_what_is_new(url: str) -> None:
    """A node that was cut off for long delivers what is older than all that is kept."""
    with closing(open_ledger(url, create=True)) as ledger, closing(open_ledger(url)) as other:
        deliver(ledger, [charged({"7": 1000}, START, HOUR)])
        other.energy.prune(START + 2 * DAY)
        assert partitions(url) == set()
        deliver(ledger, [charged({"8": 500}, START, HOUR, node="n2")], spool="late")
        assert sum(row.measured_uj for row in ledger.energy.balance()) == 1500


# ---- the account is only added to -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def written() -> Iterator[str]:
    """A ledger with a row of everything that is kept for ever; nothing that is tried changes it."""
    with copied_ledger() as url:
        with closing(open_ledger(url)) as ledger:
            ledger.energy.append(ORIGIN, spooled(1), START)
            ledger.facts.append("lab", [fact()], START)
            ledger.projects.append([ProjectTag("lab", "7", START, "a", "ada", START)])
        yield url


@pytest.mark.parametrize(
    "table", ["node_interval", "energy_entry", "job_share", "job_presence", "job_fact", "project_tag"]
)
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET {} = 9", "TRUNCATE {}"])
def test_its_owner_is_refused_to_rewrite_the_account(written: str, table: str, change: str) -> None:
    column = {"node_interval": "id", "job_fact": "job", "project_tag": "id"}.get(table, "interval_id")
    with pytest.raises(psycopg.IntegrityError, match="append-only"):
        asked(written, change.format(table, column))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE job_quarter SET busy_uj = busy_uj + 1",
        "UPDATE job_total SET busy_uj = busy_uj + 1",
        "UPDATE owner_day SET owner = 'eve'",
        "UPDATE node_quarter SET measured_uj = measured_uj + 1, idle_uj = idle_uj + 1",
        "DELETE FROM node_quarter",
        "UPDATE owner_week SET busy_low = busy_low + 1",
        "DELETE FROM owner_week_grid",
        "ALTER TABLE job_share DISABLE TRIGGER kept; UPDATE job_share SET busy_uj = busy_uj + 1",
        "DROP TABLE job_share_20260621",
    ],
)
def test_one_microjoule_that_is_not_where_it_belongs_is_told(url: str, change: str) -> None:
    with closing(open_ledger(url, create=True)) as ledger:
        ledger.energy.append(ORIGIN, spooled(1, 2), START)
        ledger.grid.append([grid_value(90, 100.0, START + 2 * HOUR)])
        assert asked(url, "SELECT changed_us FROM week_part") == [(None,)]
        assert ledger.energy.verify() == []
        asked(url, change)
        assert ledger.energy.verify() != []


def grid_value(day: int, value: float, at: datetime) -> GridValue:
    start = START + day * DAY
    return GridValue(Quantity.CARBON_INTENSITY, GridKind.MEASURED, start, start + HOUR, value, "x", start, at)


# ---- many writers ---------------------------------------------------------------------------------------

WRITES = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "fact", "prune", "tag", "grid"]), st.integers(0, 3), st.integers(0, 2)
    ),
    min_size=3, max_size=9,
)  # fmt: skip


@pytest.mark.parametrize("examples", [4, pytest.param(60, marks=pytest.mark.full)])
def test_sums_are_exact_whoever_writes_at_the_same_time(examples: int) -> None:
    """Writers on their own nodes tell of the same jobs and days, and Slurm of them all; none waits for ever."""
    settings(max_examples=examples, deadline=None)(
        given(scripts=st.lists(WRITES, min_size=3, max_size=4))(_sums_are_exact)
    )()


def _sums_are_exact(scripts: list[list[tuple[str, int, int]]]) -> None:
    faults: list[BaseException] = []
    with copied_ledger() as url:

        def write(number: int, script: list[tuple[str, int, int]]) -> None:
            try:
                with closing(open_ledger(url)) as own:
                    for place, (what, job, day) in enumerate(script):
                        _step(own, number, place, what, job, day)
            except BaseException as fault:  # noqa: BLE001 - told below, in the test's own thread
                faults.append(fault)

        writers = [threading.Thread(target=write, args=pair) for pair in enumerate(scripts)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert faults == []
        expected: Counter[str] = Counter()
        for number, script in enumerate(scripts):
            for place, (what, job, _) in enumerate(script):
                if what == "deliver":
                    expected[f"{job}"] += energy_of(number, place)
                    expected["9"] += 1
        with closing(open_ledger(url)) as ledger:
            assert ledger.energy.verify() == []
            found: Counter[str] = Counter()
            for account in ledger.energy.jobs(Selection()):
                found[account.key.job_id] += sum(one.busy_uj for one in account.sums)
            assert +found == expected
            assert len(ledger.energy.jobs(Selection(job_ids=("9",)))) == bool(expected["9"])


def energy_of(writer: int, place: int) -> int:
    return int(10 ** (3 + writer)) + place


def _step(own: Ledger, writer: int, place: int, what: str, job: int, day: int) -> None:
    if what == "deliver":
        jobs = {f"{job}": energy_of(writer, place), "9": 1}
        one = charged(jobs, START + day * DAY, HOUR, node=f"n{writer}", submitted=START)
        items = [SpooledInterval(place, one)]
        assert own.energy.append(Origin("lab", f"spool-{writer}"), items, START) == 1
        assert own.energy.append(Origin("lab", f"spool-{writer}"), items, START) == 0
    elif what == "fact":
        told = fact(f"{job}", account=f"account-{place % 2}", start=START, comment=f"{writer} {place}")
        own.facts.append("lab", [told], START + HOUR)
    elif what == "tag":
        project = f"p{writer}=0.5,p{place}=0.5" if writer != place else "p"
        own.projects.append([ProjectTag("lab", f"{job}", START, project, "ada", START + place * SECOND)])
    elif what == "grid":  # so late that sums by week may be made of what is there
        own.grid.append([grid_value(day, 1.0 + writer, START + (2 + place) * HOUR)])
    else:
        own.energy.prune(START + day * DAY)


def test_no_sums_are_made_of_a_week_in_which_another_is_writing(url: str) -> None:
    """They would be without what he has not committed, and his mark, which is fresh already, would be gone."""
    unmarked = "SELECT count(*) FROM week_part WHERE changed_us IS NULL"
    with closing(open_ledger(url, create=True)) as one, closing(open_ledger(url)) as other:
        deliver(one, [charged({"7": 1000}, START, HOUR)])
        with one._connection.transaction() as database:  # type: ignore[attr-defined]
            mark(database, [START.toordinal()], us(START))
            other.grid.append([grid_value(90, 100.0, START + 2 * HOUR)])
            assert asked(url, unmarked) == [(0,)]
        other.grid.append([grid_value(90, 200.0, START + 4 * HOUR)])
        assert asked(url, unmarked) == [(1,)]


def test_two_workers_that_deliver_from_one_spool_add_it_once(url: str) -> None:
    open_ledger(url, create=True).close()
    added: list[int] = []

    def write() -> None:
        with closing(open_ledger(url)) as own:
            added.extend(
                own.energy.append(ORIGIN, spooled(*range(first, first + 5)), START) for first in range(0, 40, 2)
            )

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sum(added) == 43
    with closing(open_ledger(url)) as ledger:
        assert ledger.energy.balance()[0].measured_uj == 43_000
        assert ledger.energy.verify() == []


def test_a_spool_delivered_in_any_order_is_known_number_by_number(url: str) -> None:
    with closing(open_ledger(url, create=True)) as ledger:
        assert ledger.energy.append(ORIGIN, spooled(5, 1, 9), START) == 3
        assert ledger.energy.append(ORIGIN, spooled(*range(10)), START) == 7
    assert asked(url, "SELECT delivered::text FROM spool") == [("{[0,10)}",)]


def test_a_connection_that_is_cut_is_told_and_nothing_of_its_transaction_stays(url: str) -> None:
    with closing(open_ledger(url, create=True)) as ledger:
        ledger.energy.append(ORIGIN, spooled(1), START)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vispa-green'"
        shared_server().execute(cut, "postgres")
        with pytest.raises(LedgerError, match="postgresql://") as told:
            ledger.energy.append(ORIGIN, spooled(2), START)
        assert "\n" not in str(told.value)
    with closing(open_ledger(url)) as again:
        assert again.energy.append(ORIGIN, spooled(1, 2), START) == 1
        assert again.energy.verify() == []


# ---- opening --------------------------------------------------------------------------------------------


@pytest.fixture
def empty() -> Iterator[str]:
    """The address of a database without a table."""
    with shared_server().database() as name:
        yield shared_server().url(name)


def test_what_is_not_there_is_told_in_one_line(empty: str) -> None:
    for read_only in (True, False):
        with pytest.raises(LedgerMissing, match="has an agent run yet") as told:
            open_ledger(empty, read_only=read_only)
        assert "\n" not in str(told.value)
    with pytest.raises(LedgerError, match="nowhere") as refused:
        open_ledger(f"postgresql://{OWNER}@/nowhere?host={shared_server().directory}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("secret", ["postgresql://ada:hunter2@db/x", "postgresql://ada@db/x?password=hunter2"])
def test_a_password_in_the_address_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(LedgerError, match="pgpass") as told:
        open_ledger(secret)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("version", [len(steps()) + 1, -1])
def test_a_newer_schema_is_refused_in_one_line(url: str, version: int) -> None:
    open_ledger(url, create=True).close()
    asked(url, f"UPDATE meta SET value = '{version}' WHERE key = 'version'")
    for read_only in (True, False):
        with pytest.raises(LedgerError, match=f"it has schema {version}, .* install a newer vispa-green"):
            open_ledger(url, read_only=read_only)


def test_who_opens_a_new_ledger_waits_for_another_who_does(empty: str) -> None:
    program = "import sys; from vispa_green.ledgers import open_ledger; open_ledger(sys.argv[1], create=True).close()"
    openers = [subprocess.Popen([sys.executable, "-c", program, empty]) for _ in range(3)]
    assert [opener.wait() for opener in openers] == [0, 0, 0]
    assert asked(empty, "SELECT value FROM meta WHERE key = 'version'") == [(str(len(steps())),)]


def test_the_tables_of_both_engines_are_the_same_but_for_the_days(url: str, tmp_path: Path) -> None:
    open_ledger(url, create=True).close()
    open_ledger(f"sqlite://{tmp_path / 'x.sqlite'}", create=True).close()
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        ours = {table: {row[1] for row in database.execute(f"PRAGMA table_info({table})")} for table in tables}
    rows = asked(url, "SELECT table_name::text, column_name::text FROM information_schema.columns"
                      " WHERE table_schema = 'public'")  # fmt: skip
    theirs: dict[str, set[str]] = {}
    for table, column in rows:
        theirs.setdefault(table, set()).add(column)
    for table in ("energy_entry", "job_share", "job_presence"):
        ours[table].add("end_us")
    ours["spool"] = {"id", "name", "delivered"}
    assert theirs == ours


def test_a_step_in_the_words_of_sqlite_is_read_in_our_types(url: str) -> None:
    open_ledger(url, create=True).close()
    with closing(PostgresDatabase(psycopg.connect(url, autocommit=True))) as database:
        database.run_script("""
            CREATE TABLE a (id INTEGER PRIMARY KEY, job INTEGER REFERENCES job (id), name TEXT NOT NULL) STRICT;
            CREATE TABLE b (day INTEGER NOT NULL, mean REAL, PRIMARY KEY (day)) STRICT, WITHOUT ROWID;
            INSERT INTO a (name) VALUES ('x'), ('y');
        """)
        assert database.execute("SELECT id, name FROM a ORDER BY id").fetchall() == [(1, "x"), (2, "y")]
    rows = asked(url, "SELECT column_name::text, data_type::text FROM information_schema.columns"
                      " WHERE table_schema = 'public' AND table_name IN ('a', 'b')")  # fmt: skip
    assert dict(rows) == {
        "id": "bigint",
        "job": "bigint",
        "name": "text",
        "day": "bigint",
        "mean": "double precision",
    }


# ---- backup ---------------------------------------------------------------------------------------------


def test_a_dump_is_a_backup(url: str, tmp_path: Path) -> None:
    with closing(open_ledger(url)) as ledger:
        two_users(ledger, "ada")
        deliver(ledger, [charged({"7": 1000}, START + day * DAY, HOUR) for day in range(3)], spool="days")
        ledger.grid.append([grid_value(90, 100.0, START + 2 * HOUR)])
        ledger.energy.prune(START + DAY)
    with shared_server().database() as name:
        back = shared_server().url(name)
        subprocess.run([program("pg_dump"), "-Fc", "-f", tmp_path / "dump", url], check=True)
        subprocess.run([program("pg_restore"), "--exit-on-error", "-d", back, tmp_path / "dump"], check=True)
        with closing(open_ledger(url)) as kept, closing(open_ledger(back)) as restored:
            assert restored.energy.verify() == []
            assert restored.energy.balance() == kept.energy.balance()
            assert restored.energy.jobs(Selection()) == kept.energy.jobs(Selection())
            again = [SpooledInterval(1, charged({"7": 1000}, START, HOUR))]
            assert restored.energy.append(Origin("lab", "days"), again, START) == 0
            deliver(restored, [charged({"7": 5}, START + 9 * DAY, HOUR)], spool="new")
            assert restored.energy.verify() == []


# ---- commands -------------------------------------------------------------------------------------------


def test_the_commands_work_with_it(empty: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    node = HostTree(tmp_path / "host")
    config.write_text(f"""
        [host]
        sysfs_root = "{node.sysfs_root}"
        procfs_root = "{node.procfs_root}"
        cgroup_root = "{node.cgroup_root}"
        [meters]
        enabled = ["rapl"]
        [agent]
        spool_dir = "{tmp_path / "spool"}"
        [ledger]
        url = "{empty}"
        [slurm]
        enabled = false
        [grid]
        providers = []
        [access]
        admins = ["{me()}"]
        """)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vispa_green", *arguments, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    measured = run("agent", "run", "--interval", "200ms", "--samples", "2")
    assert measured.returncode == 0, measured.stderr
    assert asked(empty, "SELECT count(*) >= 1 FROM node_interval") == [(True,)]
    with closing(open_ledger(empty)) as ledger:
        two_users(ledger, "ada")
    for words in (("verify",), ("prune", "--keep-days", "1")):
        done = run("ledger", *words)
        assert (done.returncode, done.stderr) == (0, ""), words
    june = ("-a", "-S", "2026-06-01", "-E", "2026-07-01")
    tagged = run("tag", "-j", "7", "paper")
    assert (tagged.returncode, tagged.stderr) == (0, "")
    told = run("energy", *june, "--project", "paper")
    assert (told.returncode, "ada" in told.stdout, "bob" in told.stdout) == (0, True, False), told.stderr
    exported = run("ledger", "export", str(tmp_path / "table.csv"), "--what", "quarters", *june)
    assert (exported.returncode, exported.stderr) == (0, "")
    assert (tmp_path / "table.csv").read_text().count("\n") == 1 + 3 * 4
    refused = run("ledger", "backup", str(tmp_path / "copy"))
    assert (refused.returncode, "pg_dump" in refused.stderr, refused.stderr.count("\n")) == (1, True, 1)
    assert not (tmp_path / "copy").exists()
    assert "ledger: postgresql://" in run("doctor").stdout
