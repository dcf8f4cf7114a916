"""The spool outlives damage: what can be read is delivered, what cannot is set aside, and its time is a gap."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from vispa_green.agent.spool import Spool
from vispa_green.energy.accounting import Baseline
from vispa_green.energy.readings import LastReading, Point
from vispa_green.errors import SpoolError
from vispa_green.model import Component, EnergyEntry, Instant, NodeInterval, Quality

START = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)


def interval(number: int) -> NodeInterval:
    start = START + timedelta(seconds=10 * number)
    entry = EnergyEntry(Component.CPU, "intel-rapl:0", Quality.MEASURED, number + 1, idle_uj=number + 1)
    return NodeInterval("n1", "boot", start, start + timedelta(seconds=10), 10_000_000, Quality.MEASURED, (entry,))


def baseline(number: int) -> Baseline:
    at = Instant(START + timedelta(seconds=10 * (number + 1)), number)
    return Baseline(at, "boot", None, {"intel-rapl:0": LastReading(Point(5, number))}, {})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with filled(tmp_path / "spool", 200):
        pass
    return tmp_path / "spool"


def filled(directory: Path, count: int) -> closing[Spool]:
    spool = Spool(directory, "n1")
    for number in range(count):
        spool.keep([interval(number)], baseline(number))
    return closing(spool)


def read(spool: Spool) -> Iterator[NodeInterval]:
    return (item.interval for item in spool.waiting(1000))


def known(intervals: list[NodeInterval]) -> int:
    return sum(bool(one.entries) for one in intervals)


def edit(directory: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(directory / "n1.sqlite", isolation_level=None)) as database:
        database.execute(statement, values)


def test_a_cut_record_becomes_a_gap_of_its_time(directory: Path) -> None:
    edit(directory, "UPDATE outbox SET interval = substr(interval, 1, 30) WHERE sequence = 7")
    with closing(Spool(directory, "n1")) as spool:
        found = list(read(spool))
        assert [one for i, one in enumerate(found) if i != 6] == [interval(i) for i in range(200) if i != 6]
        gap = found[6]
        assert (gap.start, gap.end, gap.quality, gap.entries) == (
            interval(6).start,
            interval(6).end,
            Quality.GAP,
            (),
        )
        assert spool.quarantined() == 1
        assert list(read(spool)) == found  # once is enough
        assert spool.quarantined() == 1


def test_a_cut_baseline_is_a_gap_from_the_last_known_end(directory: Path) -> None:
    edit(directory, "UPDATE memory SET value = substr(value, 1, 20) WHERE key = 'baseline'")
    with closing(Spool(directory, "n1")) as spool:
        found, lost = spool.baseline()
        assert found is not None
        assert (found.at.utc, dict(found.counters)) == (interval(199).end, {})
        assert "lost" in lost
        assert spool.quarantined() == 1
        assert spool.backlog() == 200


@pytest.mark.parametrize("page", [2, 4, 8, 15])
def test_a_random_page_costs_what_is_on_it(directory: Path, page: int) -> None:
    path = directory / "n1.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * page : 4096 * (page + 1)] = bytes((page * 37 + i * i * 101) % 256 for i in range(4096))
    path.write_bytes(content)
    with closing(Spool(directory, "n1")) as spool:
        found = list(read(spool))
        measured = [one for one in found if one.entries]
        assert all(one == interval((one.start - START) // timedelta(seconds=10)) for one in measured)
        assert len(measured) >= 150
        assert spool.quarantined() >= 1
        covered = sorted((one.start, one.end) for one in found)
        assert all(before[1] == after[0] for before, after in pairwise(covered))
        new = spool.keep([interval(200)], baseline(200))
        assert new[0] > 200  # a number that the ledger has never seen
    assert (directory / "n1.damaged-1.sqlite").exists()


def test_a_lost_index_loses_the_rows_and_marks_all_their_time(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    with filled(directory, 200) as spool:
        spool.delivered(20)
    with (directory / "n1.sqlite").open("r+b") as file:
        file.seek(4096 * 3)  # the root of the intervals' tree
        file.write(bytes(4096))
    with closing(Spool(directory, "n1")) as spool:
        [lost] = read(spool)
        assert (lost.start, lost.end, lost.quality) == (interval(20).start, interval(199).end, Quality.GAP)
        found, _ = spool.baseline()
        assert found == baseline(199)


@pytest.mark.parametrize(
    "content", [b"", b"this is no database, and long enough to be looked at as if it were one" * 90]
)
def test_a_spool_that_is_gone_is_a_gap_since_the_last_delivery(directory: Path, content: bytes) -> None:
    with closing(Spool(directory, "n1")) as spool:
        spool.delivered(200)
        spool.keep([interval(200)], baseline(200))
    (directory / "n1.sqlite").write_bytes(content)
    with closing(Spool(directory, "n1")) as spool:
        found, lost = spool.baseline()
        assert found is not None
        assert found.at.utc == interval(199).end
        assert "lost" in lost
        assert spool.backlog() == 0


def test_damage_while_it_runs_is_survived(directory: Path) -> None:
    with closing(Spool(directory, "n1")) as spool:
        edit(directory, "DROP TABLE outbox")
        spool.keep([interval(200)], baseline(200))
        assert known(list(read(spool))) == 1
        assert spool.quarantined() == 1


def test_a_new_spool_has_no_past(tmp_path: Path) -> None:
    with closing(Spool(tmp_path / "new", "n1")) as spool:
        assert spool.baseline() == (None, "")
        assert spool.quarantined() == 0


def test_the_files_are_not_the_worlds(directory: Path) -> None:
    with closing(Spool(directory, "n1")) as spool:
        spool.delivered(200)
        spool.keep([interval(200)], baseline(200))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert stat.S_IMODE(directory.stat().st_mode) & 0o027 == 0
    assert {"n1.sqlite", "n1.sqlite-wal", "n1.lock", "n1.mark"} <= set(modes)
    assert [name for name, mode in modes.items() if mode & 0o137] == []


@pytest.mark.parametrize("name", ["n1.sqlite", "n1.lock", "n1.sqlite-wal"])
def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "spool").mkdir(mode=0o750)
    victim = tmp_path / "victim"
    (tmp_path / "spool" / name).symlink_to(victim)
    with pytest.raises(SpoolError, match="symbolic link"):
        Spool(tmp_path / "spool", "n1")
    assert not victim.exists()


def test_a_hard_link_to_another_file_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o750)
    (tmp_path / "victim").write_text("precious")
    os.link(tmp_path / "victim", tmp_path / "spool/n1.sqlite")
    with pytest.raises(SpoolError, match="not this user's own"):
        Spool(tmp_path / "spool", "n1")
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_directory_that_anybody_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o777)
    with pytest.raises(SpoolError, match="chmod 0750"):
        Spool(tmp_path / "spool", "n1")


def test_a_spool_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="set \\[agent\\] spool_dir"):
        Spool(tmp_path / "file/spool", "n1")
