"""The second act: the same cluster with the account as a service, and two users who each see only their own."""

from __future__ import annotations

import getpass
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.postgres import SHARED, PostgresServer
from lab.processes import LabError, listens, wait_until

from demo.demo_site import PROGRAMS, DemoSite

GUESTS = ("games", "news")
"""Accounts that every Debian has: root runs jobs as these two; a plain user has only his own."""
READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""The checkout may be in a home directory that is closed to others."""


def guests() -> tuple[str, ...]:
    """Return the users of this act."""
    if os.geteuid() != 0:
        return (getpass.getuser(),)
    known = []
    for name in GUESTS:
        with suppress(KeyError):
            known.append(pwd.getpwnam(name).pw_name)
    return tuple(known) or ("root",)


class Service:
    """PostgreSQL, a server on it, and agents that deliver to it by HTTP and munge; started and stopped as one."""

    def __init__(self, site: DemoSite, directory: Path) -> None:
        self._site, self._directory = site, directory
        self._exit = ExitStack()
        self.users = guests()

    def __enter__(self) -> Self:
        try:
            database = self._exit.enter_context(PostgresServer())
            self.url = self._start_server(database.url(SHARED))
            client = self._client_tables()
            self.config = self._directory / "client.toml"
            self.config.write_text(f"{client}\n")
            self._site.agents_deliver_to(client)
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def run(self, user: str, *words: str) -> str:
        """Run a command as a user; return what it prints."""
        state = self._directory / f"state-{user}"
        state.mkdir(exist_ok=True)
        state.chmod(0o777)
        environment = self._site.environment | {
            "VISPA_GREEN_CONFIG": str(self.config),
            "VISPA_GREEN_STATE": str(state),
        }
        command = [*self._as_user(user), *words]
        done = subprocess.run(
            command, env=environment, cwd=self._directory, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{user}$ {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def import_facts(self) -> None:
        """Do once what ``vispa-green slurm sync --follow`` does all the time: tell the ledger what Slurm knows."""
        program = str(PROGRAMS / "vispa-green")
        command = [program, "slurm", "sync", "--config", str(self._directory / "server.toml")]
        done = subprocess.run(command, env=self._site.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LabError(f"slurm sync failed:\n{done.stderr}")

    def _as_user(self, user: str) -> Sequence[str]:
        if user == getpass.getuser():
            return ()
        account = pwd.getpwnam(user)
        return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *READS_ALL)

    def _start_server(self, ledger_url: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        me, nodes = getpass.getuser(), ", ".join(f'"{node.name}=127.0.0.1"' for node in self._site.nodes)
        config = self._directory / "server.toml"
        config.touch(0o600)
        config.write_text(
            f"""
[cluster]
name = "demo"
[ledger]
url = "{ledger_url}"
[access]
others = "never"
admins = ["{me}"]
[server]
listen = ["127.0.0.1:{port}"]
credentials = ["munge"]
agents = ["{me}"]
nodes = [{nodes}]
state_dir = "{self._directory / "server-state"}"
{self._munge_table()}
{self._site.grid_tables}
"""
        )
        self._site.spawn("server", [str(PROGRAMS / "vispa-green"), "server", "--config", str(config)])
        if not wait_until(lambda: listens(port), timeout_s=30):
            raise LabError("the server did not start: see demo-output/server.log")
        return f"http://127.0.0.1:{port}"

    def _client_tables(self) -> str:
        return f"""
[cluster]
name = "demo"
[ledger]
url = "{self.url}"
[ledger.http]
credential = "munge"
{self._munge_table()}
"""

    def _munge_table(self) -> str:
        return f'[credentials.munge]\nsocket = "{self._site.cluster.environment["MUNGE_SOCKET"]}"'


def play(site: DemoSite, service: Service) -> dict[str, str]:
    """Let every user run a job, and return what each is told of all jobs."""
    jobs = {}
    for number, user in enumerate(service.users):
        burn = f"timeout {4 + number} sh -c 'while :; do :; done'; true"
        words = ("sbatch", "--parsable", "--output=/dev/null", f"--job-name=of-{user}", "--wrap", burn)
        jobs[user] = service.run(user, *words).strip()
    states = site.cluster.wait(jobs.values(), timeout_s=60)
    if set(states.values()) != {"COMPLETED"}:
        raise LabError(f"not every job completed: {states}")
    time.sleep(2)  # the agents' next reading and delivery
    service.import_facts()
    told = {user: service.run(user, "vispa-green", "energy", "-a") for user in service.users}
    for user, text in told.items():
        others = [other for other in service.users if other != user and f"of-{other}" in text]
        if others or f"of-{user}" not in text:
            raise LabError(f"{user} should see his own job and no other's, but is told:\n{text}")
    return told
