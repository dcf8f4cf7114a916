"""The procfs part of a fake host: processor time in jiffies, and processes."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.atomic import place_tree, replace_text

JIFFY_NS = 10_000_000  # USER_HZ is 100 on every Linux


class ProcFiles:
    """`proc/stat` kept exact to the nanosecond behind its jiffies, `cpuinfo`, `boot_id` and processes."""

    def __init__(self, proc: Path, cpus: int, packages: int, *, mirrored: str | None = None) -> None:
        self._proc = proc
        self._busy_ns = [0] * cpus
        self._idle_ns = [0] * cpus
        self._btime_s = 0
        (proc / "sys" / "kernel" / "random").mkdir(parents=True, exist_ok=True)
        replace_text(proc / "cpuinfo", cpuinfo(cpus, packages, mirrored))

    def boot(self, boot_id: str, btime_s: int) -> None:
        """Start from zero with a new boot id."""
        self._btime_s = btime_s
        self._busy_ns = [0] * len(self._busy_ns)
        self._idle_ns = [0] * len(self._idle_ns)
        replace_text(self._proc / "sys" / "kernel" / "random" / "boot_id", f"{boot_id}\n")
        self._write_stat()

    def add(self, busy_ns: int, idle_ns: int) -> None:
        """Spread processor time evenly over the CPUs, losing no nanosecond."""
        if busy_ns < 0 or idle_ns < 0:
            raise ValueError(f"processor time only grows: busy {busy_ns} ns, idle {idle_ns} ns")
        for totals, added_ns in ((self._busy_ns, busy_ns), (self._idle_ns, idle_ns)):
            # Giving each CPU its share of the *sum* keeps them even, where shares of each addition would drift.
            total_ns = sum(totals) + added_ns
            each, left = divmod(total_ns, len(totals))
            totals[:] = [each + (cpu < left) for cpu in range(len(totals))]
        self._write_stat()

    def _write_stat(self) -> None:
        # The kernel sums in nanoseconds before it rounds; hence the first line may exceed the sum of the others.
        lines = [_stat_line("cpu ", sum(self._busy_ns), sum(self._idle_ns))]
        lines += [
            _stat_line(f"cpu{cpu}", busy, idle)
            for cpu, (busy, idle) in enumerate(zip(self._busy_ns, self._idle_ns, strict=True))
        ]
        lines += ["intr 0", "ctxt 0", f"btime {self._btime_s}", "processes 1", "procs_running 1", "procs_blocked 0"]
        replace_text(self._proc / "stat", "\n".join(lines) + "\n")

    def set_process(
        self, pid: int, environ: Mapping[str, str], *, cgroup: str, uid: int, ppid: int, comm: str,
        cpu_ns: int, start_jiffies: int,
    ) -> None:  # fmt: skip
        """Write `proc/<pid>` anew."""
        place_tree(
            self._proc / str(pid),
            {
                "environ": "".join(f"{name}={value}\0" for name, value in environ.items()),
                "cgroup": cgroup,
                "comm": f"{comm}\n",
                "cmdline": f"{comm}\0",
                "stat": _process_stat(pid, comm, ppid, cpu_ns // JIFFY_NS, start_jiffies),
                "status": f"Name:\t{comm}\nState:\tR (running)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{ppid}\n"
                f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\nVmRSS:\t1024 kB\nThreads:\t1\n",
            },
        )

    def remove_process(self, pid: int) -> None:
        """Take `proc/<pid>` away."""
        shutil.rmtree(self._proc / str(pid))


def _stat_line(name: str, busy_ns: int, idle_ns: int) -> str:
    return f"{name} {busy_ns // JIFFY_NS} 0 0 {idle_ns // JIFFY_NS} 0 0 0 0 0 0"


def _process_stat(pid: int, comm: str, ppid: int, cpu_jiffies: int, start_jiffies: int) -> str:
    front = f"{pid} ({comm}) R {ppid} {pid} {pid} 0 -1 0 0 0 0 0 {cpu_jiffies} 0 0 0 20 0 1 0 {start_jiffies}"
    return front + " 0" * 30 + "\n"


MIRRORED = {"AMD": ("AuthenticAMD", 23), "Hygon": ("HygonGenuine", 24)}
"""Vendors and families of which each die shows the counter of the whole package."""


def cpuinfo(cpus: int, packages: int, mirrored: str | None) -> str:
    """Describe CPUs that are numbered package after package, one thread a core."""
    vendor, family = ("GenuineIntel", 6) if mirrored is None else MIRRORED[mirrored]
    return "".join(
        f"processor\t: {cpu}\nvendor_id\t: {vendor}\ncpu family\t: {family}\n"
        "model name\t: Stand-in CPU of the vispa-green lab\n"
        f"physical id\t: {package_of(cpu, cpus, packages)}\ncore id\t\t: {cpu}\n\n"
        for cpu in range(cpus)
    )


def package_of(cpu: int, cpus: int, packages: int) -> int:
    """Say in which package a CPU sits."""
    return cpu * packages // cpus
