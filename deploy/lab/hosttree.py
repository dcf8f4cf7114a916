"""A host's sysfs, procfs and cgroup files under a directory of our own, with the truth kept beside them.

Nothing here reads a clock or draws a random number: the caller says how much energy and time went by.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lab.atomic import replace_text
from lab.cgroup_files import CgroupFiles, JobState, Version1, Version2
from lab.powercap_files import Layout, PowercapFiles, zones_of
from lab.proc_files import ProcFiles, package_of

__all__ = ["HostTree", "Layout", "Truth"]


@dataclass(frozen=True)
class Truth:
    """What was really added since the tree was made, whatever the counters show."""

    energy_uj: Mapping[str, int]
    job_cpu_ns: Mapping[int, int]
    busy_ns: int
    idle_ns: int

    @property
    def node_uj(self) -> int:
        """Packages and memory, each counted once: what a meter of this node should find."""
        return sum(uj for device, uj in self.energy_uj.items() if device.startswith(("package-", "dram-")))


class HostTree:
    """A fake host below `root`: `root/sys`, `root/proc` and `root/cgroup`."""

    def __init__(
        self,
        root: Path,
        *,
        packages: int = 2,
        dram: bool = True,
        cpus: int = 8,
        max_energy_range_uj: int = 262_143_328_850,
        dram_range_uj: int = 65_712_999_613,
        cgroup: Literal["v1", "v2"] = "v1",
        node: str = "n1",
        layout: Layout | None = None,
        first_uj: int = 0,
        boot_id: str | None = None,
        btime_s: int = 1_750_000_000,
    ) -> None:
        if root.resolve() == Path("/"):
            raise ValueError("a fake host needs a directory of its own, not /")
        layout = layout or Layout()
        self.root = root
        self.node = node
        self._job_cpu_ns: dict[int, int] = {}
        self._busy_ns = self._idle_ns = 0
        zones = tuple(zones_of(layout, packages, dram))
        self._powercap = PowercapFiles(
            self.sysfs_root, zones, (max_energy_range_uj, dram_range_uj), first_uj, layout.max_power_w
        )
        self._write_topology(cpus, packages)
        self._proc = ProcFiles(
            self.procfs_root, cpus, packages, mirrored=layout.vendor if layout.dies == "mirrored" else None
        )
        self._proc.boot(boot_id or str(uuid.uuid5(uuid.NAMESPACE_DNS, node)), btime_s)
        slurm = "" if layout.single_slurmd else node
        version1 = Version1(f"slurm_{slurm}" if slurm else "slurm")
        version2 = Version2(f"{slurm}_slurmstepd.scope" if slurm else "slurmstepd.scope")
        self._cgroup = CgroupFiles(self.cgroup_root, version1 if cgroup == "v1" else version2)

    @property
    def sysfs_root(self) -> Path:
        """What stands for `/sys`."""
        return self.root / "sys"

    @property
    def procfs_root(self) -> Path:
        """What stands for `/proc`."""
        return self.root / "proc"

    @property
    def cgroup_root(self) -> Path:
        """What stands for `/sys/fs/cgroup`."""
        return self.root / "cgroup"

    @property
    def devices(self) -> tuple[str, ...]:
        """The energy counters by name: `package-0`, `dram-0`, ..."""
        return tuple(self._powercap.registers)

    @property
    def truth(self) -> Truth:
        """The books so far, as a snapshot that later additions do not change."""
        energy_uj = {device: register.total_uj for device, register in self._powercap.registers.items()}
        return Truth(energy_uj, dict(self._job_cpu_ns), self._busy_ns, self._idle_ns)

    def add_energy(self, device: str, uj: int) -> None:
        """Count energy on `package-N`, `dram-N` or `psys`; core, uncore, psys and copies follow by themselves."""
        self._powercap.add(device, uj)

    def set_counter(self, device: str, shown_uj: int) -> None:
        """Let the counter of a device start anew from a value, as after a reload of its driver."""
        self._powercap.set_anew(device, shown_uj)

    def add_cpu(self, busy_ns: int, idle_ns: int) -> None:
        """Let processor time go by in `proc/stat`; the jobs' part of it is `burn`'s to say."""
        self._proc.add(busy_ns, idle_ns)
        self._busy_ns += busy_ns
        self._idle_ns += idle_ns

    def start_job(
        self, job_id: int, uid: int, cpus: str | None, pids: Iterable[int] = (), *, sluid: str | None = None
    ) -> None:
        """Make a job's control groups; `cpus=None` leaves cpuset out, `sluid` names the v2 directory by it."""
        self._cgroup.start(JobState(job_id, uid, cpus, tuple(pids), sluid=sluid))
        self._job_cpu_ns.setdefault(job_id, 0)

    def burn(self, job_id: int, cpu_ns: int) -> None:
        """Let a running job use processor time."""
        if cpu_ns < 0:
            raise ValueError(f"processor time only grows: {cpu_ns} ns for job {job_id}")
        job = self._cgroup.jobs[job_id]
        self._cgroup.update(replace(job, cpu_ns=job.cpu_ns + cpu_ns))
        self._job_cpu_ns[job_id] += cpu_ns

    def end_job(self, job_id: int) -> None:
        """Remove a job's control groups, as slurmstepd does before the epilog runs."""
        self._cgroup.end(job_id)

    def set_process(
        self,
        pid: int,
        environ: Mapping[str, str],
        *,
        job_id: int | None = None,
        uid: int = 0,
        ppid: int = 1,
        comm: str = "job",
        cpu_ns: int = 0,
        start_jiffies: int = 100,
    ) -> None:
        """Write `proc/<pid>`; with `job_id` it is in that running job's control groups too."""
        if job_id is not None:
            job = self._cgroup.jobs[job_id]
            if pid not in job.pids:
                self._cgroup.update(replace(job, pids=(*job.pids, pid)))
        self._proc.set_process(
            pid, environ, cgroup=self._cgroup.of_process(job_id),
            uid=uid, ppid=ppid, comm=comm, cpu_ns=cpu_ns, start_jiffies=start_jiffies,
        )  # fmt: skip

    def remove_process(self, pid: int) -> None:
        """Let a process end: out of `proc` and out of its job's control groups."""
        self._proc.remove_process(pid)
        for job in tuple(self._cgroup.jobs.values()):
            if pid in job.pids:
                self._cgroup.update(replace(job, pids=tuple(other for other in job.pids if other != pid)))

    def reboot(self, boot_id: str, btime_s: int) -> None:
        """Start all counters from zero under a new boot id, with no job running; the truth keeps counting."""
        for job_id in tuple(self._cgroup.jobs):
            self._cgroup.end(job_id)
        self._powercap.restart()
        self._proc.boot(boot_id, btime_s)

    def _write_topology(self, cpus: int, packages: int) -> None:
        directory = self.sysfs_root / "devices" / "system" / "cpu"
        for cpu in range(cpus):
            topology = directory / f"cpu{cpu}" / "topology"
            topology.mkdir(parents=True, exist_ok=True)
            replace_text(topology / "physical_package_id", f"{package_of(cpu, cpus, packages)}\n")
            replace_text(topology / "core_id", f"{cpu}\n")
        replace_text(directory / "online", f"0-{cpus - 1}\n" if cpus > 1 else "0\n")
