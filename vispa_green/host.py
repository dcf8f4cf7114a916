"""The edge to the machine: its clocks, its names, its places. The only module that reads a clock."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vispa_green.errors import MeterError
from vispa_green.model import CpuTime, Instant

NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def now() -> Instant:
    """Read both clocks."""
    return Instant(datetime.now(UTC), time.monotonic_ns())  # noqa: TID251 - here and nowhere else


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
        fields = next((line.split() for line in self._stat_lines() if line.startswith("cpu ")), None)
        if fields is None or len(fields) < 5:
            raise MeterError(f"{self.procfs / 'stat'}: no readable 'cpu' line")
        ticks = [int(field) for field in fields[1:8]] + [0] * (8 - len(fields))
        user, nice, system, idle, iowait, irq, softirq = ticks[:7]
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


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/nonexistent"  # whoever wants to write there is told so
