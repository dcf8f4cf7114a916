"""The edge to the machine: its clocks, its names, its places. The only module that reads a clock."""

from __future__ import annotations

import os
import pwd
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vispa_green.errors import MeterError
from vispa_green.model import CpuTime, Instant
from vispa_green.numbers import whole_number

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


_OCTAL = re.compile(r"\\([0-7]{3})")
SMALL_BYTES = 4096
"""More than any counter's file holds, and the beginning of a larger one."""


def now() -> Instant:
    """Read both clocks."""
    return Instant(datetime.now(UTC), time.monotonic_ns())  # noqa: TID251 - here and nowhere else


def read_small(path: str) -> str:
    """Return the text of a file of the kernel in one read, at a quarter of the cost of `Path.read_text`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, SMALL_BYTES).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def read_count(path: str, name: bytes = b"") -> int | None:
    """Return the number that stands first in a file of the kernel, behind ``name``; ``None`` if it is not that.

    For files that are read for every job in every pass: digits alone are taken, as by `whole_number`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, SMALL_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if not text.startswith(name):
        return None
    digits = text[len(name) :].partition(b"\n")[0]
    return int(digits) if digits.isdigit() and len(digits) <= 19 else None


@dataclass(frozen=True, slots=True)
class Host:
    """A node and the roots under which its kernel's files are found."""

    name: str
    sysfs: Path
    procfs: Path
    cgroup: Path

    def boot_id(self) -> str:
        """Return what tells this boot from the last (random(4)), or the boot time where that is absent."""
        try:
            return (self.procfs / "sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return next((line for line in self._stat_lines() if line.startswith("btime")), "unknown boot")

    def cpu_time(self) -> CpuTime:
        """Return the node's CPU time from ``/proc/stat`` (proc_stat(5)); raise `MeterError` if unreadable.

        Busy is user + nice + system + irq + softirq; ``guest`` is contained in user, and what the
        hypervisor stole was neither ours nor idle.
        """
        path = f"{self.procfs}/stat"
        try:
            name, *fields = read_small(path).partition("\n")[0].split()
        except (OSError, ValueError) as error:
            raise MeterError(f"{path}: {error}") from error
        ticks = [number for field in fields[:7] if (number := whole_number(field)) is not None]
        if name != "cpu" or len(ticks) < min(7, max(4, len(fields))):
            raise MeterError(f"{path}: no readable 'cpu' line")
        ticks += [0] * (7 - len(ticks))
        user, nice, system, idle, iowait, irq, softirq = ticks
        busy = user + nice + system + irq + softirq
        return CpuTime(busy * NS_PER_TICK, (busy + idle + iowait) * NS_PER_TICK)

    def cpus(self) -> int | None:
        """Return how many CPUs the node has, ``None`` if its ``/proc/stat`` does not say."""
        return sum(line.startswith("cpu") and line[3:4].isdigit() for line in self._stat_lines()) or None

    def _stat_lines(self) -> list[str]:
        try:
            return (self.procfs / "stat").read_text().splitlines()
        except OSError:
            return []


def filesystem_of(path: Path, procfs: Path) -> str:
    """Return the type of the file system that holds a path (proc_pid_mountinfo(5)), empty where nobody tells."""
    try:
        lines = (procfs / "self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real, best, kind = Path(os.path.realpath(path)), "", ""
    for line in lines:
        mount, _, rest = line.partition(" - ")
        fields, types = mount.split(), rest.split()
        if len(fields) < 5 or not types:
            continue
        point = _OCTAL.sub(lambda escaped: chr(int(escaped[1], 8)), fields[4])
        if real.is_relative_to(point) and len(point) >= len(best):  # of two at one place the later covers the other
            best, kind = point, types[0]
    return kind


def short_name() -> str:
    """Return the host name as Slurm spells a NodeName by default."""
    return os.uname().nodename.split(".", 1)[0]


def state_directory(uid: int, environment: Mapping[str, str]) -> Path:
    """Return where this user's data live when neither the configuration nor ``VISPA_GREEN_STATE`` names a place."""
    if named := environment.get("VISPA_GREEN_STATE"):
        return Path(named)
    if uid == 0:
        return Path("/var/lib/vispa-green")
    if base := environment.get("XDG_STATE_HOME"):
        return Path(base) / "vispa-green"
    return Path(environment.get("HOME") or _home(uid)) / ".local/state/vispa-green"


def user_name(uid: int) -> str:
    """Return the name of a user, or the number as text where this machine does not know it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def user_number(name: str) -> int | None:
    """Return the number of a user, ``None`` where this machine does not know the name."""
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except (KeyError, OverflowError):
        return None


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/nonexistent"  # whoever wants to write there is told so
