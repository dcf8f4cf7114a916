"""Real servers on loopback: gunicorn with the service of a configuration, ended by their pid.

A process that has imported everything once makes each by a fork, since Hypothesis asks for hundreds; so a server is
there within a tenth of a second. What runs is what ``vispa-green server`` runs.
"""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vispa_green.host import user_name

ROOT = Path(__file__).parents[2]
STARTED_WITHIN_S = 30
MAKER = """
import os, signal, sys
from pathlib import Path
import vispa_green.answers.jobs, vispa_green.ledgers.sqlite, vispa_green.credentials.munge
from vispa_green.credentials import munge, peer, proxy, token
from vispa_green.ledgers._sql import energy, facts, grid, promises, totals, weighting, writing
from vispa_green.server.serving import Server
from vispa_green.session import open_session
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.setsid(), signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        config, out, slurm = line.rstrip(chr(10)).split(chr(9))
        if slurm:
            os.environ["PATH"] = slurm + ":" + os.environ["PATH"]
        log = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(log, 1), os.dup2(log, 2)
        sys.argv = ["vispa-green"]
        Server(open_session(Path(config))).run()
        os._exit(0)
    print(pid, flush=True)
"""


@dataclass(frozen=True)
class RealServer:
    """A running server."""

    directory: Path
    port: int
    pid: int
    ledger_url: str

    @property
    def socket(self) -> Path:
        return self.directory / "server.sock"

    @property
    def log(self) -> str:
        return (self.directory / "server.out").read_text()

    @property
    def looks(self) -> str:
        file = self.directory / "state/looks.log"
        return file.read_text() if file.exists() else ""

    @property
    def cpu_s(self) -> float:
        """What the processes of the server that was started first have used so far."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.pid:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def alive(self) -> bool:
        return answers(self.port)


def configuration(
    directory: Path, port: int, *, ledger: str = "", more: str = "", server: str = "", knows_slurm: bool = False
) -> str:
    """Return the configuration of a server that knows no grid service."""
    return f"""
        [cluster]
        name = "lab"
        [ledger]
        url = "{ledger or own_file(directory)}"
        [slurm]
        enabled = {str(knows_slurm).lower()}
        [grid]
        providers = []
        [server]
        listen = ["unix:{directory}/server.sock", "127.0.0.1:{port}"]
        state_dir = "{directory}/state"
        {server}
        {more}
        """


def own_file(directory: Path) -> str:
    """Return the URL of the ledger that a server has in its own directory."""
    return f"sqlite://{directory}/account/ledger.sqlite"


@contextmanager
def served(
    *,
    server: str = 'credentials = ["peer", "token"]\nmost_a_minute = 1000000',
    more: str = "",
    tokens: Sequence[str] = (),
    slurm: Path | None = None,
    ledger: str = "",
) -> Iterator[RealServer]:
    """Yield a server in a directory of its own, over an empty SQLite file there or the ledger of a URL.

    ``slurm`` has Slurm's programs.
    """
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="vgs-") as short:  # a socket's path has 107 characters
        directory = Path(short)
        lines = [f"{who} {secret_of(directory, who)}\n" for who in tokens]
        private(directory / "tokens", "".join(lines))
        for who, line in zip(tokens, lines, strict=True):
            private(token_file(directory, who), line)
        port = free_port()
        file = directory / "server.toml"
        tables = f'{more}\n[credentials.token]\nfile = "{directory}/tokens"\n'
        file.write_text(
            configuration(directory, port, ledger=ledger, more=tables, server=server, knows_slurm=slurm is not None)
        )
        pid = _forked(file, directory / "server.out", slurm)
        running = RealServer(directory, port, pid, ledger or own_file(directory))
        try:
            _wait_for(running)
            yield running
        finally:
            for one in (directory / "pids").read_text().split():
                _ended(int(one))


def restarted(server: RealServer) -> int:
    """Start a server again that was killed; return its pid."""
    pid = _forked(server.directory / "server.toml", server.directory / "server.out")
    _wait_for(server)
    return pid


def _wait_for(server: RealServer) -> None:
    until = time.monotonic() + STARTED_WITHIN_S  # noqa: TID251 - the test's own patience
    while not server.alive():
        assert time.monotonic() < until, server.log  # noqa: TID251
        time.sleep(0.02)


def secret_of(directory: Path, who: str) -> str:
    """Return a secret that is made once."""
    file = token_file(directory, who)
    return file.read_text().split()[1] if file.exists() else secrets.token_hex(32)


def token_file(directory: Path, who: str) -> Path:
    """Return where somebody's own secret is."""
    return directory / f"token-{who.replace(':', '-')}"


def private(file: Path, text: str) -> None:
    """Write a file for its owner's eyes only."""
    file.touch(0o600)
    file.write_text(text)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Say whether a server accepts connections and says that it lives."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return connection.recv(20).startswith(b"HTTP/1.1 200")
    return False


def me() -> str:
    """Return who runs the tests."""
    return user_name(os.getuid())


@functools.cache
def _maker() -> subprocess.Popen[str]:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(maker.kill)
    return maker


def _forked(config: Path, out: Path, slurm: Path | None = None) -> int:
    maker = _maker()
    assert maker.stdin is not None
    assert maker.stdout is not None
    maker.stdin.write(f"{config}\t{out}\t{slurm or ''}\n")
    maker.stdin.flush()
    pid = int(maker.stdout.readline())
    with (config.parent / "pids").open("a") as pids:
        pids.write(f"{pid}\n")
    return pid


def _ended(pid: int) -> None:
    """End a server with its worker; that it loses nothing by that is what a ledger is for."""
    with suppress(ProcessLookupError):
        while True:
            os.killpg(pid, signal.SIGKILL)
            time.sleep(0.005)
