"""Programs that write, with the ledger at a server: what is not theirs to write there, they keep at home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lab.privilege import AS_NOBODY

from tests.contracts.real_server import RealServer, served
from tests.unit.test_others_jobs import ServedStory
from vispa_green.ledgers import open_ledger
from vispa_green.model import Selection

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with served() as running:
        running.directory.chmod(0o755)
        yield running


@pytest.fixture
def story(server: RealServer) -> Iterator[ServedStory]:
    with TemporaryDirectory(dir="/tmp") as directory:
        Path(directory).chmod(0o777)
        made = ServedStory(Path(directory), server)
        made.config.write_text(f'{made.config.read_text()}\n[cluster]\nname = "lab"\n')
        yield made


def jobs_at(server: RealServer) -> int:
    with closing(open_ledger(server.ledger_url, read_only=True)) as ledger:
        return len(ledger.energy.jobs(Selection()))


def test_a_users_run_is_accounted_in_his_own_place(server: RealServer, story: ServedStory) -> None:
    """He is no agent, so the server books nothing of his; the command runs, and its account is his own."""
    before = jobs_at(server)
    done = story.run("run", "--", "sh", "-c", "sleep 0.5", before=AS_NOBODY, VISPA_GREEN_CONFIG=str(story.config))
    assert done.returncode == 0, done.stderr
    assert "energy " in done.stderr
    assert list((story.directory / "state").rglob("ledger.sqlite"))
    assert jobs_at(server) == before


def test_the_doctor_says_that_it_is_there(story: ServedStory) -> None:
    said = story.run("doctor").stdout
    assert f"ledger: {story.url} is reachable" in said


def test_the_doctor_says_that_it_is_away(server: RealServer, story: ServedStory) -> None:
    story.config.write_text(story.config.read_text().replace("server.sock", "gone.sock"))
    said = story.run("doctor").stdout
    assert "does not answer" in said
    done = story.run("energy", "--json")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "does not answer" in done.stderr
