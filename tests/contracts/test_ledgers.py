"""Laws of every ledger: append-only, idempotent, exact, and what was put in comes out."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from lab.privilege import file_permissions_hold

from vispa_green.errors import ConfigError, LedgerError, LedgerMissing, UnknownPlugin
from vispa_green.ledgers import LEDGERS, open_ledger
from vispa_green.model import (
    Binding,
    Component,
    EnergyEntry,
    GridKind,
    GridValue,
    JobActivity,
    JobFact,
    JobShare,
    Ledger,
    Move,
    NodeInterval,
    Promise,
    Quality,
    Quantity,
    Selection,
    SpooledInterval,
)

START = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def url_of(name: str, directory: Path) -> str:
    return {"sqlite": f"sqlite://{directory / 'ledger.sqlite'}"}[name]


@pytest.fixture(params=LEDGERS.names())
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(url_of(request.param, tmp_path), create=True)
    yield opened
    opened.close()


def interval(number: int, energy_uj: int = 1000, quality: Quality = Quality.MEASURED) -> NodeInterval:
    start = START + number * 10 * SECOND
    entry = EnergyEntry(
        Component.CPU, "intel-rapl:0", quality, energy_uj, 100, 200, (JobShare("7", energy_uj - 350, 50),)
    )
    jobs = (JobActivity("7", 5_000_000_000, 9_000_000, Binding(1001, 4, ())),)
    return NodeInterval("n1", "boot", start, start + 10 * SECOND, 10_000_000, quality, (entry,), jobs)


def spooled(*numbers: int) -> list[SpooledInterval]:
    return [SpooledInterval(number, interval(number)) for number in numbers]


def test_a_second_delivery_changes_nothing(ledger: Ledger) -> None:
    assert ledger.append("spool", spooled(1, 2), START) == 2
    before = ledger.balance()
    assert ledger.append("spool", spooled(1, 2, 3), START) == 1
    assert ledger.append("spool", spooled(1, 2, 3), START) == 0
    assert before[0].measured_uj * 3 == ledger.balance()[0].measured_uj * 2


def test_two_spools_may_use_the_same_numbers(ledger: Ledger) -> None:
    assert ledger.append("one", spooled(1), START) + ledger.append("two", spooled(1), START) == 2


def test_what_goes_in_comes_out(ledger: Ledger) -> None:
    ledger.append("spool", spooled(1), START)
    [row] = ledger.balance()
    assert (row.measured_uj, row.jobs_uj, row.idle_uj, row.system_uj, row.difference_uj) == (1000, 700, 100, 200, 0)
    [posting] = ledger.postings(Selection())
    assert (posting.job_id, posting.node, posting.busy_uj, posting.idle_uj) == ("7", "n1", 650, 50)
    assert posting.end - posting.start == 10 * SECOND
    [seen] = ledger.presence(Selection())
    assert (seen.uid, seen.present_us, seen.cpu_ns) == (1001, 9_000_000, 5_000_000_000)


def test_node_energy_over_time_sums_to_the_balance(ledger: Ledger) -> None:
    """Two sockets of one node are one figure, a gap without a figure is none, and a span takes what overlaps it."""
    shares = (JobShare("7", 600, 50),)
    sockets = tuple(
        EnergyEntry(Component.CPU, f"intel-rapl:{i}", Quality.MEASURED, 1000, 150, 200, shares) for i in range(2)
    )
    unread = EnergyEntry(Component.DRAM, "intel-rapl:0:0", Quality.GAP, None, reason="unreadable")
    board = EnergyEntry(Component.GPU, "gpu-0", Quality.ESTIMATED, 70, 70)
    intervals = [replace(interval(number), entries=(*sockets, unread, board)) for number in range(4)]
    ledger.append("spool", [SpooledInterval(number, one) for number, one in enumerate(intervals)], START)
    found = list(ledger.node_energy(START, START + 40 * SECOND))
    assert {(e.node, e.component, e.quality, e.measured_uj, e.jobs_uj, e.idle_uj, e.system_uj) for e in found} == {
        ("n1", Component.CPU, Quality.MEASURED, 2000, 1300, 300, 400),
        ("n1", Component.GPU, Quality.ESTIMATED, 70, 0, 70, 0),
    }
    for row in ledger.balance():
        assert row.measured_uj == sum(e.measured_uj for e in found if e.component is row.component)
        assert row.jobs_uj == sum(e.jobs_uj for e in found if e.component is row.component)
    inside = ledger.node_energy(START + 15 * SECOND, START + 20 * SECOND)
    assert {(e.start, e.end) for e in inside} == {(START + 10 * SECOND, START + 20 * SECOND)}


def test_a_gap_without_a_figure_counts_for_nothing(ledger: Ledger) -> None:
    entry = EnergyEntry(Component.CPU, "intel-rapl:0", Quality.GAP, None, reason="unreadable")
    gap = replace(interval(1), entries=(entry,), quality=Quality.GAP)
    ledger.append("spool", [SpooledInterval(1, gap)], START)
    assert ledger.balance() == []
    [seen] = ledger.presence(Selection())
    assert seen.present_us == 0


def test_a_selection_by_time_takes_what_overlaps(ledger: Ledger) -> None:
    ledger.append("spool", spooled(*range(10)), START)
    span = Selection(start=START + 25 * SECOND, end=START + 45 * SECOND)
    assert [p.start for p in ledger.postings(span)] == [START + n * 10 * SECOND for n in (2, 3, 4)]
    assert list(ledger.postings(Selection(job_ids=("8",)))) == []


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    for name in LEDGERS.names():
        url = url_of(name, tmp_path)

        def write(spool: str, url: str = url) -> None:
            own = open_ledger(url, create=True)
            for number in range(20):
                own.append(spool, spooled(number), START)
            own.close()

        writers = [threading.Thread(target=write, args=(f"spool-{n}",)) for n in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        ledger = open_ledger(url)
        assert ledger.balance()[0].measured_uj == 6 * 20 * 1000
        ledger.close()


def value(hour: int, amount: float, kind: GridKind = GridKind.FORECAST) -> GridValue:
    start = START + timedelta(hours=hour)
    return GridValue(
        Quantity.CARBON_INTENSITY, kind, start, start + timedelta(hours=1), amount, "energy_charts", START, START
    )


def test_a_grid_value_is_stored_when_it_says_something_new(ledger: Ledger) -> None:
    assert ledger.append_grid_values([value(0, 300.0), value(1, 310.0)]) == 2
    assert ledger.append_grid_values([value(0, 300.0), value(1, 290.0), value(0, 305.0, GridKind.MEASURED)]) == 2
    found = ledger.grid_values(Quantity.CARBON_INTENSITY, START, START + timedelta(hours=2))
    assert sorted((v.kind, v.value) for v in found) == [("forecast", 290.0), ("forecast", 300.0), ("measured", 305.0)]
    assert ledger.grid_values(Quantity.RENEWABLE_SHARE, START, START + timedelta(hours=2)) == []


def fact(state: str) -> JobFact:
    return JobFact("7", "7", "alice", "physics", "main", "train", state, ("n1",), START, START, START, None, None, 4)


def test_the_latest_fact_of_a_job_holds(ledger: Ledger) -> None:
    assert ledger.append_job_facts([fact("RUNNING")], START) == 1
    assert ledger.append_job_facts([fact("RUNNING")], START) == 0
    assert ledger.append_job_facts([fact("COMPLETED")], START) == 1
    assert [f.state for f in ledger.job_facts(Selection())] == ["COMPLETED"]


def test_facts_are_chosen_by_id_and_by_time(ledger: Ledger) -> None:
    """``12`` is the whole array or het job, ``12_1`` a task; what has no end yet may overlap anything later."""
    hours = [START + timedelta(hours=n) for n in range(4)]
    stored = [
        replace(fact("COMPLETED"), job_id=raw, display_id=shown, start=start, end=end)
        for raw, shown, start, end in (
            ("12", "12_2", hours[0], hours[1]),
            ("13", "12_1", hours[1], hours[2]),
            ("14", "14+0", hours[1], None),
            ("15", "14+1", None, None),
            ("120", "120", hours[2], hours[3]),
        )
    ]
    ledger.append_job_facts(stored, START)

    def chosen(*ids: str, start: datetime | None = None, end: datetime | None = None) -> list[str]:
        return sorted(f.job_id for f in ledger.job_facts(Selection(ids, start, end)))

    assert chosen("12") == ["12", "13"]
    assert chosen("12_1") == ["13"]
    assert chosen("14", "120", "1", "12_") == ["120", "14", "15"]
    assert chosen(start=hours[1]) == ["120", "13", "14", "15"]
    assert chosen(start=hours[1] - timedelta(microseconds=1)) == ["12", "120", "13", "14", "15"]
    assert chosen(end=hours[1]) == ["12", "15"]
    assert chosen("12", start=hours[1], end=hours[3]) == ["13"]


def test_a_promise_is_kept_word_for_word(ledger: Ledger) -> None:
    promise = Promise(
        "7", "alice", START, START + 60 * SECOND, timedelta(hours=4), None, Quantity.CARBON_INTENSITY, 250.5, 300.25,
        "best_mean", "the greenest"
    )  # fmt: skip
    ledger.append_promise(promise)
    assert ledger.promises(["7"]) == [promise]
    assert ledger.promises(["8"]) == []


def move(number: int, job_id: str = "7") -> Move:
    later = START + number * 60 * SECOND
    return Move(
        job_id, START, later, "root", START, later, Quantity.CARBON_INTENSITY, 250.5, None if number else 99.25, "why"
    )


def test_moves_are_kept_word_for_word_in_their_order(ledger: Ledger) -> None:
    ledger.append_moves([move(2), move(1)])
    ledger.append_moves([move(0, "8"), move(0)])
    assert ledger.moves(["7"]) == [move(2), move(1), move(0)]
    assert ledger.moves() == [move(2), move(1), move(0, "8"), move(0)]
    assert ledger.moves(["9"]) == []
    ledger.append_moves([])
    assert len(ledger.moves()) == 4


@pytest.mark.parametrize("name", LEDGERS.names())
def test_a_ledger_that_keeps_nothing_says_so_before_there_is_a_move(name: str, tmp_path: Path) -> None:
    open_ledger(url_of(name, tmp_path), create=True).close()
    ledger = open_ledger(url_of(name, tmp_path), read_only=True)
    assert ledger.moves() == []
    with pytest.raises(LedgerError):
        ledger.append_moves(())
    ledger.close()


def test_sqlite_of_before_there_were_moves_goes_on_and_stays_readable_for_older_programs(tmp_path: Path) -> None:
    schema = (files("vispa_green.ledgers") / "schema.sql").read_text(encoding="utf-8")
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.executescript(schema + "PRAGMA user_version = 1;")
    connection.close()
    for read_only in (True, False):
        ledger = open_ledger(url_of("sqlite", tmp_path), read_only=read_only)
        assert ledger.moves() == []
        if not read_only:
            ledger.append("spool", spooled(1), START)
            ledger.append_moves([move(1)])
            assert ledger.moves() == [move(1)]
        ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        for change in ("DELETE FROM move", "UPDATE move SET job_id = '9'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)
    connection.close()


@pytest.mark.parametrize("table", ["node_interval", "energy_entry", "job_share", "job_presence"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET interval_id = 9"])
def test_sqlite_refuses_to_rewrite_the_account(tmp_path: Path, table: str, change: str) -> None:
    ledger = open_ledger(url_of("sqlite", tmp_path), create=True)
    ledger.append("spool", spooled(1), START)
    ledger.close()
    statement = change.format(table).replace("node_interval SET interval_id", "node_interval SET id")
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)
    connection.close()


def test_sqlite_refuses_an_unbalanced_row(tmp_path: Path) -> None:
    ledger = open_ledger(url_of("sqlite", tmp_path), create=True)
    ledger.append("spool", spooled(1), START)
    ledger.close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute("INSERT INTO energy_entry VALUES (1, 'cpu', 'x', 'measured', 10, 5, 5, 1, '')")
    connection.close()


def test_a_ledger_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(LedgerMissing, match="has an agent run yet"):
        open_ledger(url_of("sqlite", tmp_path))


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
        open_ledger(url_of("sqlite", tmp_path))


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
    ledger = open_ledger(url_of("sqlite", directory), create=True)
    ledger.append("spool", spooled(1), START)
    ledger.close()
    return directory


def test_sqlite_is_read_by_who_may_not_write_while_nobody_has_it_open(site: Path) -> None:
    assert [path.name for path in site.iterdir()] == ["ledger.sqlite"]
    with reader_of(site):
        ledger = open_ledger(url_of("sqlite", site), read_only=True)
        assert ledger.balance()[0].measured_uj == 1000
        with pytest.raises(LedgerError, match="readonly"):
            ledger.append("spool", spooled(2), START)
        ledger.close()


def test_sqlite_is_read_by_who_may_not_write_while_an_agent_has_it_open(site: Path) -> None:
    agent = open_ledger(url_of("sqlite", site))
    agent.append("spool", spooled(2), START)
    with reader_of(site):
        ledger = open_ledger(url_of("sqlite", site), read_only=True)
        assert ledger.balance()[0].measured_uj == 2000
        ledger.close()
    agent.close()


def test_sqlite_says_what_to_do_where_the_newest_part_cannot_be_read(site: Path) -> None:
    """A crash leaves the write-ahead log; a backup without its index is what only an owner can read."""
    agent = open_ledger(url_of("sqlite", site))
    agent.append("spool", spooled(2), START)
    crashed = site / "crashed"
    crashed.mkdir(mode=0o755)
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        shutil.copy(site / name, crashed / name)
    agent.close()
    with reader_of(crashed), pytest.raises(LedgerError, match="start an agent there, or ask the owner"):
        open_ledger(url_of("sqlite", crashed), read_only=True)
    open_ledger(url_of("sqlite", crashed), read_only=True).close()
    with reader_of(crashed):
        ledger = open_ledger(url_of("sqlite", crashed), read_only=True)
        assert ledger.balance()[0].measured_uj == 2000
        ledger.close()


@pytest.mark.parametrize("closed", ["ledger", "site"])
def test_sqlite_says_when_the_ledger_may_not_be_read_at_all(site: Path, closed: str) -> None:
    with reader_of(site, **{closed: 0}), pytest.raises(LedgerError, match="Permission denied"):
        open_ledger(url_of("sqlite", site), read_only=True)
