"""The lab's daemons: started detached, found again by recorded pid, ended without leaving anything behind."""

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05

# Daemons this process started, kept until they are reaped: they outlive the object that started them, and a
# dead one stays a zombie until its parent asks (or, once the parent is gone, until PID 1 does).
_children: dict[int, subprocess.Popen[bytes]] = {}


class LabError(RuntimeError):
    """The lab could not do what was asked; the message holds the reason and the next step."""


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until the condition holds; False when the time is over first."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def listens(port: int) -> bool:
    """Say whether somebody accepts connections at a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def birth_ticks(pid: int) -> int | None:
    """When this process was born, in kernel ticks; None once it is gone, a zombie included."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    try:
        fields = _stat_fields(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _stat_fields(pid: int) -> list[str]:
    """State, parent and so on; the name before them stands in parentheses and may contain anything."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Daemons:
    """The daemons of one state directory: pid files in `pids`, what they print in `logs`."""

    pids: Path
    logs: Path

    def spawn(self, name: str, argv: Sequence[str], environment: Mapping[str, str], user: str | None = None) -> None:
        """Start one daemon in a session of its own, as another user if one is given, and record its pid."""
        with (self.logs / f"{name}.out").open("ab") as out:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=dict(environment),
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
                start_new_session=True,
                umask=0o022,
            )
        for earlier in tuple(_children):  # one that died and is started again here is not asked for otherwise
            birth_ticks(earlier)
        _children[child.pid] = child
        self._pid_file(name).write_text(f"{child.pid} {birth_ticks(child.pid) or 0}\n")

    def names(self) -> tuple[str, ...]:
        """Every daemon with a pid file, alive or not."""
        return tuple(sorted(path.stem for path in self.pids.glob("*.pid")))

    def pid(self, name: str) -> int | None:
        """Its pid if it is alive; the birth time guards against a pid that now belongs to someone else."""
        try:
            pid, born = (int(word) for word in self._pid_file(name).read_text().split())
        except (OSError, ValueError):
            return None
        return pid if birth_ticks(pid) == born else None

    def tail(self, name: str, lines: int = 8) -> str:
        """The last lines the daemon printed, for an error message."""
        with suppress(OSError):
            text = (self.logs / f"{name}.out").read_text(errors="replace")
            return "\n".join(text.splitlines()[-lines:])
        return "(no output)"

    def wait_ready(self, name: str, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait until the daemon serves; if it dies or takes too long, fail with the end of its log."""
        if not wait_until(lambda: self.pid(name) is None or condition(), timeout_s):
            raise LabError(f"{name} was not ready after {timeout_s:.0f} s; {self._log_excerpt(name)}")
        if self.pid(name) is None:
            raise LabError(f"{name} ended during start; {self._log_excerpt(name)}")

    def terminate(self, names: Iterable[str], timeout_s: float = 15) -> None:
        """Ask these daemons to end, all at once, then insist."""
        names = tuple(names)
        self._signal(names, signal.SIGTERM)
        wait_until(lambda: not any(self.pid(name) for name in names), timeout_s)
        self._signal(names, signal.SIGKILL)
        wait_until(lambda: not any(self.pid(name) for name in names), 5)
        for name in names:
            self._pid_file(name).unlink(missing_ok=True)

    def _signal(self, names: Iterable[str], number: signal.Signals) -> None:
        for name in names:
            pid = self.pid(name)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _pid_file(self, name: str) -> Path:
        return self.pids / f"{name}.pid"

    def _log_excerpt(self, name: str) -> str:
        return f"the end of {self.logs / name}.out:\n{self.tail(name)}"


def processes_with(variable: str, value: str) -> set[int]:
    """Processes that were started with this in their environment and that we may look at."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with suppress(OSError):
                if f"{variable}={value}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.add(int(process.name))
    return found


def job_processes(node_names: Iterable[str], state: Path) -> set[int]:
    """Processes that jobs of these nodes left: slurmstepds, what they track, and all children of these.

    A slurmstepd overwrites its environment with its title, but keeps a file of the state directory open;
    its tasks carry the node's name in their control group (as root) or in their environment.
    """
    names = tuple(node_names)
    groups = tuple(f"/slurm_{name}/".encode() for name in names)
    variables = tuple(f"SLURMD_NODENAME={name}\0".encode() for name in names)
    parents: dict[int, int] = {}
    found: set[int] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        pid = int(process.name)
        with suppress(OSError):  # it ended meanwhile, or belongs to someone else
            parents[pid] = int(_stat_fields(pid)[1])
            if (
                any(group in (process / "cgroup").read_bytes() for group in groups)
                or any(variable in (process / "environ").read_bytes() for variable in variables)
                or _is_stepd_of(process, state)
            ):
                found.add(pid)
    while children := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= children
    return found


def _is_stepd_of(process: Path, state: Path) -> bool:
    if not (process / "cmdline").read_bytes().startswith(b"slurmstepd:"):
        return False
    return any(fd.readlink().is_relative_to(state) for fd in (process / "fd").iterdir())


def kill_all(find: Callable[[], Iterable[int]], timeout_s: float = 5) -> None:
    """Kill what is found, and again what is found then, until nothing alive is found."""

    def all_gone() -> bool:
        alive = [pid for pid in find() if birth_ticks(pid) is not None]
        for pid in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return not alive

    wait_until(all_gone, timeout_s)
