"""Batches that come as files: booked once, believed of agents only, and set aside where they cannot be."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from lab.processes import wait_until

from tests.contracts.real_server import RealServer, me, served
from tests.contracts.rows import HOUR, START, charged
from vispa_green.answers.jobs import JobChoice, jobs
from vispa_green.config import Config
from vispa_green.errors import LedgerError
from vispa_green.host import now
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, EnergyEntry, Ledger, NodeInterval, Origin, Quality, SpooledInterval
from vispa_green.session import Session


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inbox")
    made.chmod(0o2770)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RealServer]:
    settings = f'credentials = ["peer"]\ninbox = "{folder}"\nagents = ["{me()}"]\nmost_bytes = 100000'
    with served(server=settings) as running:
        yield running


@pytest.fixture
def account(server: RealServer) -> Iterator[Ledger]:
    with closing(open_ledger(server.ledger_url)) as ledger:
        yield ledger


def interval(number: int, node: str = "n1") -> NodeInterval:
    return charged({"9": 500 + number}, START + number * HOUR, HOUR, node=node)


def put(folder: Path, *intervals: NodeInterval, spool: str, first: int = 1, cluster: str = "lab") -> None:
    items = [SpooledInterval(number, one) for number, one in enumerate(intervals, first)]
    with closing(open_ledger(f"dir://{folder}")) as inbox:
        assert inbox.energy.append(Origin(cluster, spool), items, START) == len(items)


def measured(account: Ledger, node: str) -> int:
    return sum(row.measured_uj for row in account.energy.balance() if row.node == node)


def is_emptied(folder: Path) -> bool:
    return wait_until(lambda: not list(folder.glob("*.json.gz")), 30)


def test_a_batch_is_booked_once_also_if_it_comes_again(server: RealServer, folder: Path, account: Ledger) -> None:
    for _ in range(2):
        put(folder, interval(0), interval(1), spool="a")
        assert is_emptied(folder)
    assert measured(account, "n1") == 1001
    assert account.energy.verify() == []


def test_what_is_refused_of_a_batch_is_a_gap_and_the_rest_is_booked(
    server: RealServer, folder: Path, account: Ledger
) -> None:
    one = EnergyEntry(Component.CPU, "cpu", Quality.MEASURED, 7, 7)
    twice = replace(interval(1, "n3"), entries=(one, one))
    put(folder, interval(0, "n3"), twice, interval(2, "n3"), spool="b")
    assert is_emptied(folder)
    assert measured(account, "n3") == 500 + 502


def forged(folder: Path, name: str, data: bytes) -> Path:
    file = folder / name
    file.touch(0o640)
    file.write_bytes(data)
    return file


def batch(cluster: str = "lab", node: str = "n4") -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        put(Path(place), interval(0, node), spool="c", cluster=cluster)
        [file] = Path(place).glob("*.gz")
        return file.read_bytes()


def a_link(folder: Path) -> None:
    (folder / "x.json.gz").symlink_to("/etc/passwd")


def a_second_name(folder: Path) -> None:
    (folder / ".elsewhere").write_bytes(batch())
    (folder / "x.json.gz").hardlink_to(folder / ".elsewhere")


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "x.json.gz", 0o640)


def a_folder(folder: Path) -> None:
    (folder / "x.json.gz").mkdir()


def of_another_user(folder: Path) -> None:
    file = forged(folder, ".x", batch())
    if os.getuid() == 0:
        os.chown(file, 65534, -1)
    else:
        file.chmod(0o666)
    file.rename(folder / "x.json.gz")


def that_others_may_write(folder: Path) -> None:
    forged(folder, ".x", batch()).chmod(0o662)
    (folder / ".x").rename(folder / "x.json.gz")


HOSTILE: list[Callable[[Path], object]] = [
    a_link, a_second_name, a_pipe, a_folder, of_another_user, that_others_may_write,
    lambda folder: forged(folder, "x.json.gz", b"\x00" * 50),
    lambda folder: forged(folder, "x.json.gz", gzip.compress(b"{}")),
    lambda folder: forged(folder, "x.json.gz", gzip.compress(b" " * 10_000_000)),
    lambda folder: forged(folder, "x.json.gz", os.urandom(200_000)),
    lambda folder: forged(folder, "x.json.gz", batch()[:-10]),
    lambda folder: forged(folder, "x.json.gz", batch(cluster="other")),
    lambda folder: forged(folder, "x.json.gz", batch(node="../n4")),
    lambda folder: forged(folder, "x.json.gz", gzip.compress(json.dumps({"origin": []}).encode())),
    lambda folder: forged(folder, "$(reboot)\n.json.gz", batch(cluster="other")),
]  # fmt: skip


@pytest.mark.parametrize("leave", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_agents_batch_is_set_aside(
    server: RealServer, folder: Path, account: Ledger, leave: Callable[[Path], object]
) -> None:
    before = account.energy.balance()
    leave(folder)
    assert is_emptied(folder)
    aside = list(folder.glob("*.refused"))
    assert len(aside) == 1
    time.sleep(0.1)
    assert account.energy.balance() == before
    assert server.alive()
    assert "Traceback" not in server.log
    for file in (*aside, *folder.glob(".*")):
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()


def test_a_directory_that_is_not_there_or_full_keeps_everything_in_the_spool(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no directory"):
        open_ledger(f"dir://{tmp_path}/none", create=True)


def test_who_asks_a_directory_is_told_where_to_ask(folder: Path) -> None:
    config = replace(Config(), ledger=replace(Config().ledger, url=f"dir://{folder}"))
    config = replace(config, slurm=replace(config.slurm, enabled=False))
    with pytest.raises(LedgerError, match="the server's address"):
        jobs(Session(config, now()), JobChoice())
