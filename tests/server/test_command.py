"""``vispa-green server`` as an admin starts it: it says what is wrong in a line, answers, and ends when told."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lab.processes import wait_until

from tests.contracts.real_server import answers, configuration, free_port
from vispa_green.credentials._token_file import secrets_in

PROGRAM = Path(sys.executable).with_name("vispa-green")
ENDS_WITHIN_S = 20


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short enough for a socket."""
    with TemporaryDirectory(dir="/tmp", prefix="vgs-") as directory:
        yield Path(directory)


def test_it_answers_until_a_signal_ends_it_also_while_somebody_is_connected(place: Path) -> None:
    port, file = free_port(), place / "server.toml"
    file.write_text(configuration(place, port, server='credentials = ["peer"]'))
    with subprocess.Popen([PROGRAM, "server", "--config", file], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert wait_until(lambda: answers(port), 60)
            with socket.create_connection(("127.0.0.1", port)) as idle:
                idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert idle.recv(100)
                process.send_signal(signal.SIGTERM)
                process.wait(ENDS_WITHIN_S)
        finally:
            process.kill()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0
    assert not (place / "server.sock").exists()


WRONG = [
    ('credentials = ["munch"]', "munch"),
    ("credentials = []", "nobody could ask"),
    ('nodes = ["n1"]', "is not like n1=10.0.0.1"),
    ('socket_mode = "rw"', "is not a mode like 0666"),
    ("listen = []", "names no address"),
    ("thread = 4", "did you mean 'threads'"),
    ('[ledger.http]\n[credentials.token]\nfle = "x"', "did you mean 'file'"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_said_in_a_line(place: Path, wrong: str, said: str) -> None:
    file = place / "server.toml"
    good = configuration(place, free_port(), server='credentials = ["token"]' if "credentials =" not in wrong else "")
    if wrong.startswith("listen"):
        good = re.sub(r"listen = .*", "", good)
    file.write_text(good + wrong)
    done = subprocess.run([PROGRAM, "server", "--config", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_of_a_servers_ledger_is_none(place: Path) -> None:
    file = place / "server.toml"
    file.write_text('[ledger]\nurl = "http://head:8642"\n')
    done = subprocess.run([PROGRAM, "server", "--config", file], capture_output=True, text=True, check=False)
    assert "the server itself needs the ledger" in done.stderr


def test_a_token_is_a_line_for_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.touch(0o600)
    for who in ("node:n1", "user:ada"):
        line = subprocess.run([PROGRAM, "server", "token", who], capture_output=True, text=True, check=True).stdout
        file.write_text(file.read_text() + line)
    assert set(secrets_in(file)) == {"node:n1", "user:ada"}
    done = subprocess.run([PROGRAM, "server", "token", "ada"], capture_output=True, text=True, check=False)
    assert (done.returncode, "neither node:NAME" in done.stderr) == (1, True)


def test_without_the_extra_it_is_named(place: Path) -> None:
    program = "import sys; sys.modules['gunicorn'] = None; from vispa_green.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "server"], capture_output=True, text=True, check=False, cwd=place
    )
    assert "pip install 'vispa-green[server]'" in done.stderr
    assert done.stderr.count("\n") == 1
