"""Ledgers of older versions, made by their own code (`recorded/make_ledger_v1.py`), open, and nothing is lost."""

from __future__ import annotations

import lzma
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vispa_green.errors import LedgerError
from vispa_green.ledgers import open_ledger
from vispa_green.ledgers._sql.migrating import steps
from vispa_green.model import (
    Dimension,
    GridKind,
    JobAccount,
    JobKey,
    Ledger,
    NodeInterval,
    Origin,
    Quality,
    Quantity,
    Selection,
    SpooledInterval,
)

RECORDED = Path(__file__).with_name("recorded")
OLD = sorted(RECORDED.glob("ledger_v*.sqlite"))
FIRST = datetime(2025, 11, 10, 8, 7, 30, 123456, tzinfo=UTC)
YEAR_LATER = FIRST + timedelta(days=364)
OPEN = "import sys; from vispa_green.ledgers import open_ledger; open_ledger(sys.argv[1]).close()"

Sums = Counter[tuple[str, str, str]]
"""Energy in µJ by job number, node and component."""

SUMS_BEFORE = """
    SELECT s.job_id, n.node, e.component, s.busy_uj + s.idle_uj FROM job_share s
    JOIN node_interval n ON n.id = s.interval_id
    JOIN energy_entry e ON e.interval_id = s.interval_id AND e.device = s.device
    WHERE e.component <> 'node' OR NOT EXISTS (
        SELECT 1 FROM energy_entry o
        WHERE o.interval_id = e.interval_id AND o.component <> 'node' AND o.measured_uj IS NOT NULL)
"""
"""A whole-node counter counts for jobs only where it is alone; that was the reports' work in version 1."""


@pytest.fixture(params=OLD, ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    copy = tmp_path / "ledger.sqlite"
    shutil.copyfile(request.param, copy)
    return copy


def url(path: Path) -> str:
    return f"sqlite://{path}"


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def version(path: Path) -> object:
    return rows(path, "PRAGMA user_version")[0][0]


def sums_before(path: Path) -> Sums:
    sums: Sums = Counter()
    for job, node, component, energy_uj in rows(path, SUMS_BEFORE):
        assert isinstance(energy_uj, int)
        sums[str(job), str(node), str(component)] += energy_uj
    return sums


def sums_after(ledger: Ledger) -> Sums:
    sums: Sums = Counter()
    by = (Dimension.JOB, Dimension.NODE, Dimension.COMPONENT)
    for total in ledger.energy.totals(Selection(), by, UTC, with_grid=False):
        key = total.group[Dimension.JOB]
        assert isinstance(key, JobKey)
        place = key.job_id, str(total.group[Dimension.NODE]), str(total.group[Dimension.COMPONENT])
        sums[place] += sum(one.busy_uj + one.idle_uj for one in total.sums)
    return sums


def accounts(ledger: Ledger, number: str) -> list[JobAccount]:
    return ledger.energy.jobs(Selection(job_ids=(number,)))


def energy_uj(account: JobAccount) -> int:
    return sum(one.busy_uj + one.idle_uj for one in account.sums)


def test_every_version_has_a_recorded_ledger() -> None:
    assert {version(path) for path in OLD} >= {1}
    assert all(path.stat().st_size < 100_000 for path in OLD)


def test_sums_are_the_same_to_the_microjoule(old: Path) -> None:
    before = sums_before(old)
    balance = rows(
        old,
        "SELECT n.node, e.component, sum(e.measured_uj), sum(e.jobs_uj), sum(e.idle_uj), sum(e.system_uj)"
        " FROM energy_entry e JOIN node_interval n ON n.id = e.interval_id WHERE e.measured_uj IS NOT NULL"
        " GROUP BY n.node, e.component ORDER BY n.node, e.component",
    )
    with closing(open_ledger(url(old), cluster="vispa")) as ledger:
        assert sums_after(ledger) == before
        assert ledger.energy.verify() == []
        found = ledger.energy.balance()
        assert all(row.difference_uj == 0 for row in found)
        assert [
            (row.node, row.component, row.measured_uj, row.jobs_uj, row.idle_uj, row.system_uj) for row in found
        ] == balance
    assert version(old) == len(steps())


@pytest.mark.parametrize(
    "table", ["node_interval", "energy_entry", "job_share", "job_presence", "job_fact", "grid_value"]
)
def test_every_raw_row_survives(old: Path, table: str) -> None:
    count = f"SELECT count(*) FROM {table}"
    before = rows(old, count)
    open_ledger(url(old)).close()
    assert rows(old, count) == before
    assert rows(old, "SELECT name FROM sqlite_master WHERE name LIKE 'old_%'") == []


def test_a_ledger_of_version_3_tells_the_same_as_one_that_comes_from_version_1(tmp_path: Path) -> None:
    """It is ``ledger_v1.sqlite``, opened and so brought up to its day by version 3 (commit e5bc23b)."""
    third, first = tmp_path / "third.sqlite", tmp_path / "first.sqlite"
    third.write_bytes(lzma.decompress((RECORDED / "ledger_v3.sqlite.xz").read_bytes()))
    shutil.copyfile(RECORDED / "ledger_v1.sqlite", first)
    assert version(third) == 3
    answers = []
    for path in (third, first):
        with closing(open_ledger(url(path), cluster="physics")) as ledger:
            assert ledger.energy.verify() == []
            answers.append((ledger.energy.jobs(Selection()), ledger.facts.facts(Selection()), sums_after(ledger)))
        assert version(path) == len(steps())
    assert answers[0] == answers[1]
    assert answers[0][0], "there are jobs in it"


def test_a_number_that_came_again_with_facts_is_two_jobs_of_two_users(old: Path) -> None:
    with closing(open_ledger(url(old), cluster="vispa")) as ledger:
        first, again = accounts(ledger, "500")
        assert first.fact is not None
        assert again.fact is not None
        submitted = (FIRST - timedelta(minutes=5)).replace(microsecond=0)
        assert first.key == JobKey("vispa", "500", submitted)
        assert again.key.submitted == (YEAR_LATER - timedelta(hours=1)).replace(microsecond=0)
        assert (first.fact.user, again.fact.user) == ("ada", "bob")
        assert (first.uid, again.uid) == (1001, 1002)
        assert [stay.node for stay in first.stays] == ["n2"]
        assert [stay.node for stay in again.stays] == ["n1"]
        assert energy_uj(first) + energy_uj(again) == sum(
            e for (job, *_), e in sums_after(ledger).items() if job == "500"
        )


def test_a_number_that_came_again_without_facts_is_two_jobs_of_unknown_submission(old: Path) -> None:
    with closing(open_ledger(url(old), cluster="vispa")) as ledger:
        first, again = accounts(ledger, "600")
        assert {first.key, again.key} == {JobKey("vispa", "600", None)}
        assert first.fact is None
        assert again.fact is None
        assert {stay.node for stay in first.stays} == {"n2", "n3"}
        assert {stay.node for stay in again.stays} == {"n1", "n3"}
        assert min(stay.start for stay in again.stays) - max(stay.end for stay in first.stays) > timedelta(days=300)
        nobodys = accounts(ledger, "700")
        assert [(account.uid, account.key.submitted) for account in nobodys] == [(None, None)] * 2


def test_a_requeued_job_stays_one(old: Path) -> None:
    with closing(open_ledger(url(old))) as ledger:
        [account] = accounts(ledger, "400")
        assert account.fact is not None
        assert account.key.submitted == (FIRST - timedelta(minutes=5)).replace(microsecond=0)
        assert account.fact.submit == (FIRST + timedelta(minutes=65)).replace(microsecond=0)
        assert [(stay.start, stay.end) for stay in account.stays] == [
            (FIRST + timedelta(minutes=50), FIRST + timedelta(minutes=60)),
            (FIRST + timedelta(minutes=75), FIRST + timedelta(minutes=95)),
        ]


def test_facts_arrays_and_het_jobs_survive(old: Path) -> None:
    with closing(open_ledger(url(old))) as ledger:
        found = {fact.job_id: fact for _, fact in ledger.facts.facts(Selection(end=YEAR_LATER - timedelta(days=1)))}
        assert sorted(found) == ["100", "101", "200", "201", "301", "302", "400", "500", "800"]
        of_all = {(fact.account, fact.partition, fact.cpus, fact.memory_mib, fact.nodes) for fact in found.values()}
        assert of_all == {("phys", "main", 4, 8000, ("n1", "n2"))}
        assert {fact.time_limit for fact in found.values()} == {timedelta(days=1, hours=2, seconds=3)}
        assert found["301"].name == "fit '300_1' ä"
        assert found["100"].start == FIRST.replace(microsecond=0)
        assert found["800"].start is None
        # Version 1 kept the largest memory of one task: what all of them held together is not known from that.
        assert {fact.peak_memory_mib for fact in found.values()} == {None}
        for shown, numbers in (
            ("300", ["301", "302"]),
            ("200", ["200", "201"]),
            ("300_2", ["302"]),
            ("200+1", ["201"]),
        ):
            assert sorted(account.key.job_id for account in accounts(ledger, shown)) == numbers


def test_promises_and_moves_survive(old: Path) -> None:
    had_moves = rows(old, "SELECT count(*) FROM sqlite_master WHERE name = 'move'") == [(1,)]
    with closing(open_ledger(url(old), cluster="vispa")) as ledger:
        promises = ledger.promises.promises(Selection())
        assert [(one.cluster, one.job_id, one.user) for one in promises] == [
            ("vispa", "100", "ada"), ("vispa", "500", "ada"), ("vispa", "500", "bob"),
        ]  # fmt: skip
        assert {one.duration for one in promises} == {timedelta(hours=1, minutes=30)}
        assert {one.planned_start - one.submitted for one in promises} == {timedelta(hours=6)}
        assert {one.mean for one in promises} == {250.5}
        moves = ledger.promises.moves(Selection(users=("ada",)))
        assert [(move.job_id, move.after - move.before) for move in moves] == (
            [(job, timedelta(minutes=10 * later)) for job in ("100", "500") for later in (1, 2)] if had_moves else []
        )
        assert len(ledger.promises.moves(Selection())) == (6 if had_moves else 0)


def test_grid_values_survive_with_their_history(old: Path) -> None:
    hour = FIRST.replace(minute=0, second=0, microsecond=0)
    with closing(open_ledger(url(old))) as ledger:
        for begin in (hour, hour + timedelta(days=364)):
            values = ledger.grid.values(Quantity.CARBON_INTENSITY, begin, begin + timedelta(minutes=15))
            latest = {(value.source, value.kind): value.value for value in values}
            assert latest == {
                ("energy_charts", GridKind.FORECAST): 412.5,
                ("energy_charts", GridKind.MEASURED): 400.0,
                ("csv", GridKind.FORECAST): 419.75,
                ("csv", GridKind.MEASURED): 407.25,
            }
        for account in ledger.energy.jobs(Selection()):
            if account.sums:
                assert account.grid[Quantity.CARBON_INTENSITY].known_uj == energy_uj(account)
    assert rows(old, "SELECT count(*) FROM grid_value WHERE value = 370.0") == [(2,)]


def test_what_was_delivered_before_is_known_after(old: Path) -> None:
    """The last interval of a spool comes a second time, from an agent that did not hear of its delivery."""
    known = SpooledInterval(5, NodeInterval("n1", "boot-1", FIRST, FIRST, 0, Quality.MEASURED, ()))
    with closing(open_ledger(url(old))) as ledger:
        before = ledger.energy.balance()
        assert ledger.energy.append(Origin("cluster", "spool-n1"), [known], YEAR_LATER) == 0
        assert ledger.energy.balance() == before


def test_who_may_only_read_is_told_what_to_do(old: Path) -> None:
    with pytest.raises(
        LedgerError, match=r"schema 1 of \d+: run `vispa-green ledger migrate` once as its owner"
    ) as told:
        open_ledger(url(old), read_only=True)
    assert "\n" not in str(told.value)
    assert version(old) == 1


@pytest.mark.parametrize("number", [len(steps()) + 1, -1])
def test_a_newer_schema_is_refused_in_one_line(tmp_path: Path, number: int) -> None:
    path = tmp_path / "ledger.sqlite"
    open_ledger(url(path), create=True).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {number}")
    for read_only in (True, False):
        with pytest.raises(LedgerError, match=f"it has schema {number}, .* install a newer vispa-green") as told:
            open_ledger(url(path), read_only=read_only)
        assert "\n" not in str(told.value)
    assert version(path) == number


def test_the_command_migrates(old: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[ledger]\nurl = "{url(old)}"\n[slurm]\nenabled = false\n[grid]\nproviders = []\n')

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vispa_green", *arguments, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    refused = run("ledger", "balance")
    assert refused.returncode == 1
    assert "vispa-green ledger migrate" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    migrated = run("ledger", "migrate")
    assert (migrated.returncode, migrated.stdout) == (0, f"{url(old)} is up to date\n")
    assert run("ledger", "verify").returncode == 0
    assert run("ledger", "balance").returncode == 0


def enlarged(path: Path, times: int) -> Path:
    """Make many ledgers in one of it: the same rows again under other numbers, in other spools."""
    with closing(sqlite3.connect(path)) as database:
        ((most,),) = database.execute("SELECT max(id) FROM node_interval")
        copies = f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {times})"
        number, of_interval, job = f"id + k.n * {most}", f"interval_id + k.n * {most}", "job_id || '0' || k.n"
        for table, columns in {
            "node_interval": f"{number}, node, spool || '-' || (k.n % 20), sequence + 100 * k.n, boot_id,"
            " start_us, end_us, duration_us, quality, reason, received_us",
            "energy_entry": f"{of_interval}, component, device, quality, measured_uj, jobs_uj, idle_uj, system_uj,"
            " reason",
            "job_share": f"{job}, {of_interval}, device, busy_uj, idle_uj",
            "job_presence": f"{job}, {of_interval}, uid, cpu_ns, present_us, allocated_cpus",
        }.items():
            database.execute(f"INSERT INTO {table} {copies} SELECT {columns} FROM {table}, k")
        database.commit()
    return path


def opening(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", OPEN, url(path)])


def test_killed_in_the_middle_it_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    shutil.copyfile(RECORDED / "ledger_v1.sqlite", path)
    before = sums_before(enlarged(path, 150))
    log = path.with_name("ledger.sqlite-wal")
    with opening(path) as process:
        while not log.exists() or log.stat().st_size < 1_000_000:  # much of it is written, and not committed
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert version(path) == 1
    assert sums_before(path) == before
    with closing(open_ledger(url(path))) as ledger:
        assert sums_after(ledger) == before
        assert ledger.energy.verify() == []


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    shutil.copyfile(RECORDED / "ledger_v1.sqlite", path)
    before = sums_before(enlarged(path, 40))
    with opening(path) as one, opening(path) as other:
        assert (one.wait(), other.wait()) == (0, 0)
    with closing(open_ledger(url(path), read_only=True)) as ledger:
        assert sums_after(ledger) == before
        assert ledger.energy.verify() == []
