"""What was delivered is in a chain of digests: changes that fit all sums are found, and heads kept elsewhere hold."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st
from lab.story import Story

from tests.contracts.lives import World, worlds
from tests.contracts.rows import HOUR, START, charged, deliver
from tests.contracts.standing_in import over_ledgers
from tests.contracts.test_ledger_lives import STEPS, Telling, fresh_ledger
from vispa_green.ledgers import open_ledger
from vispa_green.model import ChainHead, Component, Ledger


@over_ledgers(40, world=worlds(), steps=STEPS, cuts=st.sets(st.integers(0, 11), max_size=3))
def test_heads_of_any_day_hold_ever_after(
    name: str, world: World, steps: list[tuple[str, int, int]], cuts: set[int]
) -> None:
    kept: list[ChainHead] = []
    with fresh_ledger(name) as ledger:
        telling = Telling(world, ledger)
        for number, (step, which, value) in enumerate(steps):
            if world.spools or step not in {"deliver", "again"}:
                getattr(telling, step)(which, value)
            if number in cuts:
                kept += ledger.energy.heads()
        telling.finish()
        assert ledger.energy.verify(kept) == []


def test_a_delivery_of_nothing_new_adds_no_link(ledger: Ledger) -> None:
    for _ in range(2):
        deliver(ledger, [charged({"7": 1000}, START, HOUR)])
    [head] = ledger.energy.heads()
    assert (head.spool, head.ended) == ("spool", START + HOUR)


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    """A SQLite ledger with three deliveries of one spool and one of another."""
    path = tmp_path / "ledger.sqlite"
    with closing(open_ledger(f"sqlite://{path}", create=True)) as ledger:
        for number in range(3):
            deliver(ledger, [charged({"7": 1000}, START + number * HOUR, HOUR)], first=number + 1)
        deliver(ledger, [charged({"8": 1000}, START, HOUR, node="n2")], spool="n2")
        assert ledger.energy.verify() == []
    return path


ROWS = (
    "UPDATE node_interval SET reason = 'nothing to see' WHERE id = 2",
    "UPDATE node_interval SET boot_id = 'another' WHERE id = 1",
    "UPDATE node_interval SET sequence = 9 WHERE id = 3",
    "UPDATE job_presence SET cpu_ns = cpu_ns + 1 WHERE interval_id = 2",
    "UPDATE job_presence SET uid = 4711 WHERE interval_id = 4",
    "UPDATE energy_entry SET quality = 'estimated' WHERE interval_id = 2",
    "UPDATE job SET job_id = '9' WHERE job_id = '8'",
    "DELETE FROM job_presence WHERE interval_id = 3",
    "DELETE FROM spool_link WHERE id = 2",
    "UPDATE spool_link SET digest = '' WHERE id = 1",
)


@pytest.mark.parametrize("change", ROWS)
def test_what_was_changed_behind_the_programs_back_is_told(delivered: Path, change: str) -> None:
    tampered(delivered, change)
    with closing(open_ledger(f"sqlite://{delivered}")) as ledger:
        assert any("chain" in sentence for sentence in ledger.energy.verify())


def test_a_chain_that_was_made_anew_does_not_fit_heads_that_were_kept(delivered: Path) -> None:
    with closing(open_ledger(f"sqlite://{delivered}")) as ledger:
        heads = ledger.energy.heads()
    tables = ("job_presence", "job_share", "energy_entry")
    last = [f"DELETE FROM {table} WHERE interval_id = 3" for table in tables]
    tampered(
        delivered, "; ".join([*last, "DELETE FROM node_interval WHERE id = 3", "DELETE FROM spool_link WHERE id = 3"])
    )
    with closing(open_ledger(f"sqlite://{delivered}")) as ledger:
        found = ledger.energy.verify(heads)
    assert "spool spool: link 3 of its chain is not the one that was kept" in found


def test_rows_that_nobody_delivered_are_told(delivered: Path) -> None:
    columns = "node_id, spool_id, boot_id, start_us, end_us, duration_us, quality, reason, received_us"
    of_first = f"SELECT 99, 99, {columns} FROM node_interval WHERE id = 1"
    tampered(delivered, f"INSERT INTO node_interval (id, sequence, {columns}) {of_first}")
    with closing(open_ledger(f"sqlite://{delivered}")) as ledger:
        assert any("no link" in sentence for sentence in ledger.energy.verify())


def tampered(path: Path, script: str) -> None:
    """Change a ledger as its owner can, without the triggers that keep others from it."""
    with closing(sqlite3.connect(path)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.executescript(script)


def test_pruning_takes_links_of_what_it_takes_and_the_chain_goes_on(delivered: Path) -> None:
    with closing(open_ledger(f"sqlite://{delivered}")) as ledger:
        heads = ledger.energy.heads()
        ledger.energy.prune(START + 2 * HOUR + timedelta(minutes=15))
        deliver(ledger, [charged({"7": 1000}, START + 3 * HOUR, HOUR)], first=4)
        assert ledger.energy.verify(heads) == []
    with closing(sqlite3.connect(delivered)) as connection:
        assert connection.execute("SELECT id FROM spool_link ORDER BY id").fetchall() == [(2,), (3,), (4,), (5,)]


def test_heads_are_kept_in_a_file_and_held_against_the_ledger(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.interval(START, 3600, {Component.CPU: {"1": (100, 7)}})
    kept = tmp_path / "heads.json"
    kept.write_text(story.run("ledger", "heads", "--json").stdout)
    story.interval(START + HOUR, 3600, {Component.CPU: {"1": (100, 7)}})
    assert story.run("ledger", "verify", "--heads", str(kept)).returncode == 0
    told = json.loads(kept.read_text())
    told["heads"][0]["digest"] = "0" * 64
    kept.write_text(json.dumps(told))
    done = story.run("ledger", "verify", "--heads", str(kept))
    assert (done.returncode, "is not the one that was kept" in done.stdout) == (1, True)
    kept.write_text("{}")
    done = story.run("ledger", "verify", "--heads", str(kept))
    assert "is not what `vispa-green ledger heads --json` says" in done.stderr
