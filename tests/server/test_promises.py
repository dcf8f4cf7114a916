"""A promise goes to the server as its user's own, and what Slurm says of the job decides whether it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab.privilege import AS_NOBODY

from tests.contracts.real_server import RealServer, served
from vispa_green.ledgers import open_ledger
from vispa_green.model import Selection

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")

KEEP = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from vispa_green.answers.promises import keep_note, own_promises
from vispa_green.errors import SpoolError
from vispa_green.model import Promise, Quantity
from vispa_green.session import open_session
session, at = open_session(Path(sys.argv[1])), datetime(2026, 11, 17, 9, tzinfo=UTC)
co2, hour = Quantity.CARBON_INTENSITY, timedelta(hours=1)
promise = Promise(sys.argv[2], sys.argv[3], at, at, hour, None, co2, 1, 2, "p", "r")
try:
    keep_note(session, promise)
except SpoolError as error:
    print(error)
print("own", len(own_promises(session).promises))
"""


@pytest.fixture
def server() -> Iterator[RealServer]:
    with served() as running:
        running.directory.chmod(0o755)
        yield running


def keep(server: RealServer, place: Path, job: str, user: str) -> str:
    """Let nobody keep a promise, as gsbatch does once its job is submitted."""
    client = place / "client.toml"
    client.write_text(f'[cluster]\nname = "lab"\n[ledger]\nurl = "unix://{server.socket}"\n')
    place.chmod(0o777)
    done = subprocess.run(
        [*AS_NOBODY, sys.executable, "-c", KEEP, str(client), job, user],
        capture_output=True, text=True, check=True, env={**os.environ, "VISPA_GREEN_STATE": str(place / "state")},
    )  # fmt: skip
    return done.stdout


def kept(server: RealServer) -> list[tuple[str, str]]:
    with closing(open_ledger(server.ledger_url, read_only=True)) as ledger:
        return [(promise.job_id, promise.user) for promise in ledger.promises.promises(Selection())]


def test_it_is_kept_at_the_server_and_in_his_own_spool(server: RealServer, tmp_path: Path) -> None:
    assert keep(server, tmp_path, "7", "nobody") == "own 1\n"
    assert kept(server) == [("7", "nobody")]


def test_one_in_anothers_name_is_refused_and_stays_at_home(server: RealServer, tmp_path: Path) -> None:
    assert "for its own user only" in keep(server, tmp_path, "7", "root")
    assert kept(server) == []


def test_a_server_that_is_away_costs_the_site_its_copy_and_nothing_else(server: RealServer, tmp_path: Path) -> None:
    server.socket.unlink()
    said = keep(server, tmp_path, "7", "nobody")
    assert "does not answer" in said
    assert said.endswith("own 1\n")


SQUEUE = """
import os
told = {{"JobID": "7", "JobArrayID": "7", "State": "PENDING", "Reason": "None", "NumCPUs": "1", "TimeLimit": "1:00",
        "UserName": "{user}", "UserID": "{uid}", "SubmitTime": "{submitted}"}}
fields = [field.split(":", 1) for field in os.environ["SQUEUE_FORMAT2"].split(",")]
if told["UserName"]:
    print("".join(told.get(name, "") + token for name, token in fields))
"""
AT_NINE = 1794906000


@pytest.mark.parametrize(
    ("user", "uid", "submitted", "said"),
    [
        ("nobody", 65534, AT_NINE, "own 1\n"),
        ("daemon", 1, AT_NINE, "job 7 is not nobody's"),
        ("nobody", 65534, AT_NINE - 7200, "submitted at another time"),
        ("", 0, AT_NINE, "knows no job 7 yet"),
    ],
)
def test_whose_job_it_is_slurm_says(tmp_path: Path, user: str, uid: int, submitted: int, said: str) -> None:
    """Programs that print what squeue and sacct print, in the server's PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    texts = {
        "squeue": f"#!{sys.executable}{SQUEUE.format(user=user, uid=uid, submitted=submitted)}",
        "sacct": "#!/bin/sh\n",
        "scontrol": "#!/bin/sh\n",
        "sacctmgr": "#!/bin/sh\n",
        "sinfo": "#!/bin/sh\n",
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    with served(slurm=programs) as server:
        server.directory.chmod(0o755)
        place = tmp_path / "client"
        place.mkdir()
        assert said in keep(server, place, "7", "nobody")
        assert kept(server) == ([("7", "nobody")] if said.startswith("own") else [])
