"""Jobs from Slurm's cgroup v2 directories: ``system.slice/[NODE_]slurmstepd.scope/job_J``.

CPU time is ``usage_usec`` of ``cpu.stat``, which is there even without the cpu controller (kernel,
``cgroup-v2.rst``). Since Slurm 26.05 the directory may carry a job's SLUID instead of its number; the
number is then read from the environment of a process in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from vispa_green.host import Host
from vispa_green.model import Binding, JobId, Tracker
from vispa_green.registry import NoOptions
from vispa_green.trackers import _processes

NUMBERED = re.compile(r"job_(\d+)")
SLUID = re.compile(r"s[0-9A-Z]{10,}")


class CgroupV2:
    """The jobs below the unified hierarchy, mounted alone or beside v1."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._directory: dict[JobId, Path] = {}

    def jobs(self) -> Mapping[JobId, int]:
        """Return the CPU time of every job that has a directory now."""
        known = {path: job_id for job_id, path in self._directory.items()}
        self._directory = {}
        found: dict[JobId, int] = {}
        for directory in self._directories():
            job_id = known.get(directory) or self._job_id(directory)
            try:
                fields = dict(line.split() for line in (directory / "cpu.stat").read_text().splitlines())
                cpu_ns = int(fields["usage_usec"]) * 1000
            except (OSError, ValueError, KeyError):  # ended between the listing and the reading
                continue
            if job_id is not None:
                found[job_id] = cpu_ns
                self._directory[job_id] = directory
        return found

    def binding(self, job_id: JobId) -> Binding:
        """Return owner, CPUs of the cpuset and GPUs by the job's processes."""
        directory = self._directory.get(job_id)
        if directory is None:
            return Binding()
        pids = list(_processes.members(directory))
        uids = (_processes.owner(self._host.procfs, pid) for pid in pids)
        uid = next((uid for uid in uids if uid is not None), None)
        return Binding(uid, self._allocated(directory), _processes.bound_gpus(self._host.procfs, pids))

    def _directories(self) -> Iterator[Path]:
        scopes = ("slurmstepd.scope", f"{self._host.name}_slurmstepd.scope")
        for root, scope in product((self._host.cgroup, self._host.cgroup / "unified"), scopes):
            for path in (root / "system.slice" / scope).glob("*"):
                if NUMBERED.fullmatch(path.name) or SLUID.fullmatch(path.name):
                    yield path

    def _job_id(self, directory: Path) -> JobId | None:
        if numbered := NUMBERED.fullmatch(directory.name):
            return numbered[1]
        pids = _processes.members(directory)
        names = (_processes.environment(self._host.procfs, pid).get("SLURM_JOB_ID") for pid in pids)
        return next((name for name in names if name), None)

    def _allocated(self, directory: Path) -> int | None:
        try:
            return _processes.cpu_count((directory / "cpuset.cpus").read_text())
        except OSError:
            return None


def make(host: Host | None, options: NoOptions) -> Tracker:
    """Return the tracker of a node."""
    assert host is not None
    return CgroupV2(host)
