"""A wait between two looks ends when something comes or goes in a followed directory, or when the agent is to end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.node import LabNode, configuration

from vispa_green.agent.changes import Changes
from vispa_green.agent.loop import Pace, run
from vispa_green.host import now
from vispa_green.model import Selection

LONG_S = 20.0


@pytest.fixture
def changes() -> Changes:
    return Changes()


def waited_s(changes: Changes, seconds: float, *places: Path) -> float:
    begun = now()
    assert not changes.wait(seconds, [str(place) for place in places])
    return (now().monotonic_ns - begun.monotonic_ns) / 1e9


def test_where_nothing_happens_it_takes_its_time(changes: Changes, tmp_path: Path) -> None:
    waited_s(changes, 0, tmp_path)
    assert waited_s(changes, 0.3, tmp_path) >= 0.3
    assert waited_s(changes, 0.0004, tmp_path) >= 0.0004


def test_what_comes_and_goes_ends_it(changes: Changes, tmp_path: Path) -> None:
    waited_s(changes, 0, tmp_path)
    job = tmp_path / "job_1"
    for change in (job.mkdir, job.rmdir, job.mkdir):
        change()
        assert waited_s(changes, LONG_S, tmp_path) < LONG_S / 2
        assert waited_s(changes, 0.2, tmp_path) >= 0.2  # it is told once


def test_what_came_before_it_was_followed_is_for_a_look_at_once(changes: Changes, tmp_path: Path) -> None:
    assert waited_s(changes, LONG_S, tmp_path) < LONG_S / 2


def test_a_directory_that_is_made_anew_is_followed_again(changes: Changes, tmp_path: Path) -> None:
    top = tmp_path / "scope"
    top.mkdir()
    waited_s(changes, 0, top, tmp_path)
    top.rmdir()
    top.mkdir()
    assert waited_s(changes, LONG_S, top, tmp_path) < LONG_S / 2
    waited_s(changes, 0, top, tmp_path)
    (top / "job_1").mkdir()
    assert waited_s(changes, LONG_S, top, tmp_path) < LONG_S / 2


def test_a_place_that_is_not_there_is_no_trouble(changes: Changes, tmp_path: Path) -> None:
    assert waited_s(changes, 0.2, tmp_path / "absent") >= 0.2


def test_to_end_is_told_while_it_waits_and_ever_after(changes: Changes, tmp_path: Path) -> None:
    changes.wait(0, [str(tmp_path)])
    (tmp_path / "job_1").mkdir()  # also while it lets a change settle
    threading.Timer(0.02, changes.stop).start()
    assert changes.wait(LONG_S, [str(tmp_path)])
    assert changes.wait(LONG_S, [str(tmp_path)])


def test_a_job_between_two_regular_looks_is_seen_with_its_energy(changes: Changes, tmp_path: Path) -> None:
    tree = HostTree(tmp_path / "host", cgroup="v2")
    node = LabNode(tree, configuration(tree, tmp_path))
    seconds_ns = 1_000_000_000
    pace = Pace(60 * seconds_ns, 30 * seconds_ns)
    running = threading.Thread(
        target=run, args=(node.agent, pace, now, lambda seconds: changes.wait(seconds, node.agent.places()))
    )
    tree.start_job(1, 1001, "0-3")  # so that there is a place in which others come and go
    running.start()
    pause()
    tree.start_job(2, 1001, "4-7")
    pause()
    node.work(1, {"package-0": 5}, {2: 1})
    tree.end_job(2)
    pause()
    changes.stop()
    running.join()
    assert "2" in {posting.key.job_id for posting in node.ledger().energy.postings(Selection())}


def pause() -> None:
    """Let the agent, which runs on the real clock, see what has happened."""
    threading.Event().wait(0.5)
