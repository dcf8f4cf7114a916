"""The lab's PostgreSQL: as root or as a plain user, with what it has in one private directory, gone with its run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab.privilege import AS_NOBODY
from lab.processes import wait_until

PROGRAM = """
import os, sys
from lab.postgres import SHARED, PostgresServer
with PostgresServer() as server:
    [(name,)] = server.execute("SELECT current_user", SHARED)
    process = server._process
    print(name, process.pid, os.stat(f"/proc/{process.pid}").st_uid, server.directory, flush=True)
    sys.stdin.read()
"""


def started(before: tuple[str, ...] = ()) -> tuple[subprocess.Popen[str], int, int, Path]:
    """Start a run with a server; return it, the server's number and user, and its directory."""
    run = subprocess.Popen(
        [*before, sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    name, pid, uid, directory = run.stdout.readline().split()
    assert name == "admin"
    return run, int(pid), int(uid), Path(directory)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    "before",
    [
        (),
        pytest.param(AS_NOBODY, marks=pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")),
    ],
    ids=["as who runs the tests", "as a plain user"],
)
def test_it_is_a_plain_users_and_leaves_nothing(before: tuple[str, ...]) -> None:
    run, pid, uid, directory = started(before)
    assert uid != 0
    assert directory.stat().st_mode & 0o077 == 0
    run.communicate()
    assert run.returncode == 0
    assert is_gone(pid)
    assert not directory.exists()


def test_a_run_that_is_killed_takes_its_server_with_it() -> None:
    run, pid, _, directory = started()
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert wait_until(lambda: is_gone(pid), 30)
    shutil.rmtree(directory)
