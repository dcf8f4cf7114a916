"""The agent under systemd: what it says to its supervisor, and how its lines reach the journal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab.hosttree import HostTree

from tests.contracts.real_server import answers, configuration
from vispa_green.systemd import Pulse, Supervisor

PROGRAM = Path(sys.executable).with_name("vispa-green")
PATIENCE_S = 20.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    tree = HostTree(tmp_path / "host")
    path = tmp_path / "config.toml"
    path.write_text(
        f'[host]\nname = "n1"\nsysfs_root = "{tree.sysfs_root}"\nprocfs_root = "{tree.procfs_root}"\n'
        f'cgroup_root = "{tree.cgroup_root}"\n[agent]\nscan_s = 0.02\nspool_dir = "{tmp_path / "spool"}"\n'
        f'[ledger]\nurl = "sqlite://{tmp_path / "ledger.sqlite"}"\n[slurm]\nenabled = false\n'
    )
    return path


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        line.settimeout(PATIENCE_S)
        yield line


def heard(line: socket.socket) -> dict[str, str]:
    return dict(part.split("=", 1) for part in line.recv(4096).decode().splitlines())


def started(config: Path, **environment: str) -> subprocess.Popen[str]:
    command = [str(PROGRAM), "agent", "run", "--config", str(config)]
    return subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_an_agent_is_ready_then_alive_then_stopping(config: Path, tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@vispa-green-{os.getpid()}"
    with listening(address) as line, started(config, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000") as agent:
        try:
            ready = heard(line)
            assert ready["READY"] == "1"
            assert "n1" in ready["STATUS"]
            assert (tmp_path / "spool/n1.sqlite").exists()  # what it reads from here on is kept
            assert [heard(line) for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
            agent.send_signal(signal.SIGTERM)
            last = heard(line)
            while "WATCHDOG" in last:
                last = heard(line)
            assert last["STOPPING"] == "1"
            assert agent.wait(PATIENCE_S) == 0
        finally:
            agent.kill()


def test_an_agent_that_hangs_falls_silent(config: Path, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as line, started(config, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000") as agent:
        try:
            assert "READY" in heard(line)
            agent.send_signal(signal.SIGSTOP)
            line.settimeout(1.0)
            with pytest.raises(TimeoutError):
                for _ in range(20):  # what was said before it hung
                    heard(line)
        finally:
            agent.kill()


def test_a_server_is_ready_when_it_listens_and_not_before(tmp_path: Path) -> None:
    address, file = str(tmp_path / "notify"), tmp_path / "server.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken, listening(address) as line:
        port = taken.getsockname()[1]
        file.write_text(configuration(tmp_path, port, server='credentials = ["peer"]'))
        command = [str(PROGRAM), "server", "--config", str(file)]
        environment = {**os.environ, "NOTIFY_SOCKET": address}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert server.wait(PATIENCE_S) != 0
                line.setblocking(False)
                with pytest.raises(BlockingIOError):
                    heard(line)
            finally:
                server.kill()
        taken.close()
        line.settimeout(PATIENCE_S)
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert heard(line)["READY"] == "1"
                assert answers(port)
            finally:
                server.terminate()


@pytest.mark.parametrize("silence_us", [0, 40_000_000])
def test_life_is_told_four_times_as_often_as_it_must(tmp_path: Path, silence_us: int) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as line:
        pulse = Pulse(Supervisor(address, silence_us), "accounts")
        line.setblocking(False)
        told = []
        for second in range(120):
            pulse.beat(second * 1_000_000_000)
            try:
                told.append((second, next(iter(heard(line)))))
            except BlockingIOError:
                continue
    alive = [(second, "WATCHDOG") for second in range(10, 120, 10)] if silence_us else []
    assert told == [(0, "READY"), *alive]


@pytest.mark.parametrize("silence", ["", "²", "-1", "1e6", "soon"])
def test_a_silence_that_is_no_number_is_no_watchdog(silence: str) -> None:
    assert Supervisor.of({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": silence}) == Supervisor("/run/x", 0)


def test_nobody_listening_is_no_reason_to_fail(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "nowhere"), "@nobody-listens-here", "x" * 200):
        Supervisor(address, 1).tell(READY="1")


@pytest.mark.parametrize("is_journal", [True, False])
def test_only_the_journal_gets_priorities(config: Path, is_journal: bool) -> None:
    """The variable is inherited by jobs whose stderr is a file: those get lines as ever."""
    (config.parent / "ledger.sqlite").mkdir()  # a warning, when it is delivered to
    reader, writer = os.pipe()
    status = os.fstat(writer)
    stream = f"{status.st_dev}:{status.st_ino if is_journal else status.st_ino + 1}"
    command = [str(PROGRAM), "agent", "run", "--config", str(config), "--interval", "0.2s", "--samples", "2"]
    subprocess.run(command, env={**os.environ, "JOURNAL_STREAM": stream}, stderr=writer, check=True)
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = lines.read().splitlines()
    assert any("first reading" in line for line in said)
    assert any("ledger.sqlite" in line for line in said)
    grades = {line[:3] for line in said if re.match(r"<\d>", line)}
    assert grades == ({"<4>", "<6>"} if is_journal else set())
    assert not is_journal or all(re.match(r"<\d>", line) for line in said)


def test_the_journal_knows_a_failure_by_its_priority(config: Path) -> None:
    config.write_text("[mail]\nhots = 1\nports = 2\n")
    reader, writer = os.pipe()
    status = os.fstat(writer)
    environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    command = [str(PROGRAM), "ledger", "balance", "--config", str(config)]
    done = subprocess.run(command, env=environment, stderr=writer, check=False)
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = lines.read().splitlines()
    assert done.returncode == 1
    assert len(said) == 2
    assert all(line.startswith("<3>") for line in said)
