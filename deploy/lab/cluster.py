"""A throwaway real Slurm cluster on loopback, started by root or by a plain user.

munged, mariadbd, slurmdbd, slurmctld, slurmrestd and one slurmd per virtual node, on ports and in directories of
their own:

    PYTHONPATH=deploy python -m lab.cluster start --root /tmp/lab    (then: . /tmp/lab/env.sh)
    PYTHONPATH=deploy python -m lab.cluster stop --root /tmp/lab
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import preparation
from lab.client import Client
from lab.processes import Daemons, LabError, job_processes, kill_all, listens, processes_with, wait_until
from lab.slurm_config import Layout, Tracking, accounting_commands

START_TIMEOUT_S = 90
CONTROL_GROUPS = Path("/sys/fs/cgroup")
RECORD = "cluster.json"
MARK = "VISPA_GREEN_LAB"  # in the environment of our daemons only; a user's shell has SLURM_CONF too


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What the cluster is to look like."""

    root: Path  # state directory; short, because unix sockets live in it
    nodes: int = 2
    cpus: int = 8
    gpus: int = 0
    node_prefix: str = ""  # "" makes one that is unique on this host: control groups are called slurm_<node>
    users: tuple[str, ...] = ()  # accounts to register besides the one that starts the cluster
    extra_conf: str = ""  # lines for slurm.conf; a setting of ours with the same name gives way


class Cluster:
    """One cluster: start, use, stop; made again over the same state directory, it continues there."""

    def __init__(self, spec: ClusterSpec) -> None:
        root = spec.root.resolve()
        self.spec = replace(spec, root=root)
        base_port = _recorded_port(root) or preparation.free_base_port(spec.nodes + 5)
        prefix = spec.node_prefix or f"vg{base_port}n"
        self._layout = Layout(
            root=root,
            base_port=base_port,
            nodes=tuple(f"{prefix}{number}" for number in range(1, spec.nodes + 1)),
            cpus=spec.cpus,
            gpu_devices=preparation.gpu_devices(root, spec.gpus),
            tracking=preparation.tracking(),
            accounts=preparation.accounts(),
        )
        self._daemons = Daemons(pids=self._layout.run, logs=self._layout.logs)
        self._client = Client(self._layout)
        self.node_names: tuple[str, ...] = self._layout.nodes
        self.tracking: Tracking = self._layout.tracking
        self.environment: dict[str, str] = self._client.environment
        self.rest_addresses = (f"http://127.0.0.1:{self._layout.rest_port}", f"unix://{self._layout.rest_socket}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return when every node is ready for jobs; if that fails, end what was started."""
        preparation.check(self._layout)
        if alive := [name for name, pid in self.daemon_pids().items() if pid]:
            raise LabError(f"{', '.join(alive)} already running in {self.spec.root}; stop that cluster first")
        preparation.write_files(self._layout, self.spec.extra_conf)
        _record(self.spec, self._layout, self.environment)
        try:
            self._start_munge_and_database()
            self._start_slurm()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every daemon, every job and every control group; the state directory stays."""
        daemons, names = self._daemons, self._daemons.names()
        if daemons.pid("slurmctld"):
            self._cancel_running_jobs()
        last = ("slurmdbd", "mariadbd", "munged")  # in this order: each writes to the next while it ends
        daemons.terminate(name for name in names if name not in last)
        kill_all(lambda: job_processes(self.node_names, self.spec.root))
        for name in last:
            daemons.terminate([name])
        # whose pid file is lost, because someone removed the state directory under a running cluster
        kill_all(lambda: processes_with(MARK, str(self.spec.root)))
        if self.tracking == "cgroup_v1":
            wait_until(self._remove_control_groups, timeout_s=3)

    def daemon_pids(self) -> dict[str, int | None]:
        """The daemons of this cluster; None for one that was started and does not live any more."""
        return {name: self._daemons.pid(name) for name in self._daemons.names()}

    def run(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a Slurm command against this cluster."""
        return self._client.run(*argv, stdin=input, check=check, timeout_s=timeout)

    def wait(self, job_ids: Iterable[str | int], timeout_s: float) -> dict[str, str]:
        """Wait until these jobs ended and sacct knows it; the final state by job id."""
        return self._client.wait(job_ids, timeout_s)

    def _start_munge_and_database(self) -> None:
        layout, who = self._layout, self._layout.accounts
        munge = layout.munge
        files = {"socket": layout.munge_socket, "key-file": munge / "munge.key", "seed-file": munge / "seed"}
        files |= {"pid-file": munge / "pid", "log-file": munge / "log"}
        # --force: the parents of the state directory may belong to someone else
        options = ("--foreground", "--force", "--num-threads=2", *(f"--{key}={path}" for key, path in files.items()))
        self._spawn("munged", ("munged", *options), who.munge)
        if not (layout.database / "mysql").is_dir():
            self._install_database()
        self._spawn("mariadbd", ("mariadbd", f"--defaults-file={layout.etc / 'my.cnf'}"), who.mysql)
        # The server listens before it has read init.sql, but greets nobody until then.
        self._wait_ready("mariadbd", lambda: _greets(layout.mysql_socket))
        self._wait_ready("munged", lambda: self._client.succeeds("munge", "-S", str(layout.munge_socket), "-n"))

    def _install_database(self) -> None:
        defaults = f"--defaults-file={self._layout.etc / 'my.cnf'}"  # has to be the first argument
        user = self._layout.accounts.mysql
        options = [
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *([f"--user={user}"] if user else []),
        ]
        done = self._client.run("mariadb-install-db", defaults, *options, check=False, timeout_s=START_TIMEOUT_S)
        if done.returncode != 0:
            raise LabError(f"mariadb-install-db failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")

    def _start_slurm(self) -> None:
        layout, who, client = self._layout, self._layout.accounts, self._client
        self._spawn("slurmdbd", ("slurmdbd", "-D"), who.slurm)
        listing = ("sacctmgr", "-n", "list", "cluster")
        self._wait_ready("slurmdbd", lambda: client.serves(layout.slurmdbd_port, *listing))
        # The cluster has to be known there before slurmctld starts.
        users = tuple(dict.fromkeys((who.owner, *self.spec.users)))
        client.run("sacctmgr", "-i", stdin=accounting_commands(users), check=False)
        self._spawn("slurmctld", ("slurmctld", "-D"), who.slurm)
        self._wait_ready("slurmctld", lambda: client.serves(layout.slurmctld_port, "scontrol", "ping"))
        self._spawn_rest()
        # Only now: a slurmd that finds no slurmctld is deaf to SIGTERM.
        for node in layout.nodes:
            self._spawn(f"slurmd-{node}", ("slurmd", "-D", "-N", node), None)
        for node in layout.nodes:
            self._wait_ready(f"slurmd-{node}", lambda node=node: self._is_ready(node))  # type: ignore[misc]

    def _spawn_rest(self) -> None:
        """Start what answers REST questions, to whoever shows a token of slurmctld's."""
        layout = self._layout
        extra = {"SLURM_JWT": "daemon"}  # its own questions are asked with its callers' tokens
        if layout.accounts.rest is None:
            extra["SLURMRESTD_SECURITY"] = "disable_user_check"  # we have but one user, and that is SlurmUser
        places = (f"unix:{layout.rest_socket}", f"127.0.0.1:{layout.rest_port}")
        self._spawn("slurmrestd", ("slurmrestd", "-a", "rest_auth/jwt", *places), layout.accounts.rest, extra)
        self._wait_ready("slurmrestd", lambda: listens(layout.rest_port))

    def _is_ready(self, node: str) -> bool:
        """A node is ready when it has registered; "idle*" is slurmctld's memory of an earlier start."""
        state = self._client.run("sinfo", "-h", "-N", "-n", node, "-o", "%T", check=False).stdout
        return state.strip() in {"idle", "mixed", "allocated", "completing"}

    def _cancel_running_jobs(self) -> None:
        """The orderly end first: steps write their records and empty their control groups."""

        def nothing_runs() -> bool:
            listing = self._client.run("squeue", "-h", "-t", "RUNNING,COMPLETING", check=False, timeout_s=10)
            return not listing.stdout

        with suppress(subprocess.TimeoutExpired):
            if not nothing_runs():
                self._client.run("scancel", "--state=RUNNING", check=False, timeout_s=10)
                wait_until(nothing_runs, timeout_s=5)

    def _remove_control_groups(self) -> bool:
        """Remove the empty ones that slurmd leaves; True when there is none any more."""
        groups = [path for node in self.node_names for path in CONTROL_GROUPS.glob(f"*/slurm_{node}")]
        for group in groups:
            for directory, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):  # busy until the kernel has seen the last process go
                    Path(directory).rmdir()
        return not any(group.exists() for group in groups)

    def _spawn(
        self, name: str, argv: tuple[str, ...], user: str | None, extra: Mapping[str, str] | None = None
    ) -> None:
        marked = self._client.full_environment() | {MARK: str(self.spec.root)} | dict(extra or {})
        self._daemons.spawn(name, argv, marked, user)

    def _wait_ready(self, name: str, condition: Callable[[], bool]) -> None:
        self._daemons.wait_ready(name, condition, START_TIMEOUT_S)


def open_cluster(root: Path) -> Cluster:
    """The cluster that was started over this state directory, by any process."""
    try:
        recorded = json.loads((root / RECORD).read_text())
    except FileNotFoundError:
        raise LabError(f"{root} holds no cluster; start one there first") from None
    recorded = recorded["spec"] | {"root": root, "users": tuple(recorded["spec"]["users"])}
    return Cluster(ClusterSpec(**recorded))


def _recorded_port(root: Path) -> int | None:
    try:
        return int(json.loads((root / RECORD).read_text())["base_port"])
    except FileNotFoundError:
        return None


def _record(spec: ClusterSpec, layout: Layout, environment: dict[str, str]) -> None:
    record = {"spec": asdict(spec) | {"root": str(spec.root)}, "base_port": layout.base_port}
    (spec.root / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    exports = [f"export {name}='{value}'" for name, value in environment.items() if name != "PATH"]
    (spec.root / "env.sh").write_text("\n".join([*exports, 'export PATH="$PATH:/usr/sbin:/sbin"', ""]))


def _greets(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(socket_path))
            return bool(client.recv(1))
        except OSError:
            return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.cluster", description="a throwaway real Slurm cluster on loopback")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("start", "stop", "status"):
        command = commands.add_parser(name)
        command.add_argument("--root", type=Path, required=True, help="state directory, with a short path")
        if name == "start":
            for option, default in (("--nodes", 2), ("--cpus", 8), ("--gpus", 0)):
                command.add_argument(option, type=int, default=default)
    return parser.parse_args()


def _status(cluster: Cluster) -> str:
    daemons = [f"{name}: {pid or 'not running'}" for name, pid in cluster.daemon_pids().items()]
    nodes = cluster.run("sinfo", "-N", check=False).stdout if cluster.daemon_pids().get("slurmctld") else ""
    return "\n".join([*(daemons or ["stopped"]), nodes]).rstrip()


def main() -> int:
    """Run the command line."""
    arguments = _arguments()
    try:
        if arguments.command == "start":
            spec = ClusterSpec(arguments.root, arguments.nodes, arguments.cpus, arguments.gpus)
            cluster = Cluster(spec)
            cluster.start()
            print(f"{', '.join(cluster.node_names)} ready ({cluster.tracking}); . {cluster.spec.root}/env.sh")
        elif arguments.command == "stop":
            open_cluster(arguments.root).stop()
        else:
            print(_status(open_cluster(arguments.root)))
    except LabError as error:
        print(f"lab.cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
