"""The control groups of a fake host, as Slurm with several slurmd on one machine lays them out."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.atomic import place_tree, replace_text


@dataclass(frozen=True)
class JobState:
    """What the control groups of one job show."""

    job_id: int
    uid: int
    cpus: str | None
    pids: tuple[int, ...]
    cpu_ns: int = 0
    sluid: str | None = None


class Version(Protocol):
    """One version of control groups: which files a job has, and how its processes name them."""

    def files(self, job: JobState) -> Mapping[str, Mapping[str, str]]:
        """Every file of the job, by the directory of the job and the path inside it."""

    def above(self, cpu_ns: int) -> Mapping[str, str]:
        """The counters of the directories that contain all jobs, by their paths."""

    def of_process(self, job: JobState | None) -> str:
        """The content of `/proc/<pid>/cgroup`."""


@dataclass(frozen=True)
class Version1:
    """`cpuacct`, `cpuset` and `freezer` hierarchies side by side."""

    slurm: str

    def files(self, job: JobState) -> Mapping[str, Mapping[str, str]]:
        place = self._place(job)
        usage, procs = f"{job.cpu_ns}\n", _lines(job.pids)
        found = {
            f"cpuacct/{place}": {
                f"{step}{name}": text
                for step in ("", "step_batch/", "step_batch/task_0/")
                for name, text in (("cpuacct.usage", usage), ("cgroup.procs", procs if "task" in step else ""))
            },
            f"freezer/{place}": {"cgroup.procs": "", "step_batch/cgroup.procs": procs},
        }
        if job.cpus is not None:
            cpus = f"{job.cpus}\n"
            found[f"cpuset/{place}"] = {
                "cpuset.cpus": cpus,
                "cgroup.procs": "",
                "step_batch/cpuset.cpus": cpus,
                "step_batch/cgroup.procs": procs,
            }
        return found

    def above(self, cpu_ns: int) -> Mapping[str, str]:
        return {f"cpuacct/{self.slurm}/cpuacct.usage": f"{cpu_ns}\n"}

    def of_process(self, job: JobState | None) -> str:
        if job is None:
            return "6:freezer:/\n4:cpuset:/\n2:cpuacct:/\n"
        place = self._place(job)
        cpuset = "" if job.cpus is None else f"/{place}/step_batch"
        return f"6:freezer:/{place}/step_batch\n4:cpuset:{cpuset or '/'}\n2:cpuacct:/{place}/step_batch/task_0\n"

    def _place(self, job: JobState) -> str:
        return f"{self.slurm}/uid_{job.uid}/job_{job.job_id}"


@dataclass(frozen=True)
class Version2:
    """The one hierarchy of cgroup v2 below `system.slice`."""

    scope: str

    def files(self, job: JobState) -> Mapping[str, Mapping[str, str]]:
        usec = job.cpu_ns // 1000
        stat = f"usage_usec {usec}\nuser_usec {usec}\nsystem_usec 0\n"
        found = {
            f"{step}cpu.stat": stat for step in ("", "step_batch/", "step_batch/user/", "step_batch/user/task_0/")
        }
        found |= {name.replace("cpu.stat", "cgroup.procs"): "" for name in tuple(found)}
        found["step_batch/user/task_0/cgroup.procs"] = _lines(job.pids)
        found["step_batch/slurm/cgroup.procs"] = ""
        if job.cpus is not None:
            found |= {"cpuset.cpus": f"{job.cpus}\n", "cpuset.cpus.effective": f"{job.cpus}\n"}
        return {self._place(job): found}

    def above(self, cpu_ns: int) -> Mapping[str, str]:
        return {f"system.slice/{self.scope}/cpu.stat": f"usage_usec {cpu_ns // 1000}\n"}

    def of_process(self, job: JobState | None) -> str:
        return "0::/\n" if job is None else f"0::/{self._place(job)}/step_batch/user/task_0\n"

    def _place(self, job: JobState) -> str:
        # Slurm 26.05 names the directory by its SLUID unless CgroupJobIdPaths=yes.
        return f"system.slice/{self.scope}/{job.sluid or f'job_{job.job_id}'}"


class CgroupFiles:
    """The tree below the cgroup mount: the directories of the running jobs."""

    def __init__(self, root: Path, version: Version) -> None:
        self._root = root
        self._version = version
        self.jobs: dict[int, JobState] = {}
        self._cpu_ns = 0
        root.mkdir(parents=True, exist_ok=True)
        if isinstance(version, Version2):
            replace_text(root / "cgroup.controllers", "cpuset cpu io memory pids\n")
            (root / "system.slice" / version.scope).mkdir(parents=True, exist_ok=True)

    def start(self, job: JobState) -> None:
        """Make the directories of a job that is not running yet."""
        if job.job_id in self.jobs:
            raise ValueError(f"job {job.job_id} runs already")
        for directory, files in self._version.files(job).items():
            place_tree(self._root / directory, files)
        self.jobs[job.job_id] = job
        self._count(job.cpu_ns)

    def update(self, job: JobState) -> None:
        """Rewrite the files of a running job whose content changed."""
        before = self._version.files(self.jobs[job.job_id])
        for directory, files in self._version.files(job).items():
            for name, text in files.items():
                if before[directory][name] != text:
                    replace_text(self._root / directory / name, text)
        used_ns = job.cpu_ns - self.jobs[job.job_id].cpu_ns
        self.jobs[job.job_id] = job
        self._count(used_ns)

    def end(self, job_id: int) -> None:
        """Remove the directories of a job bottom-up, and those of its user when that was the last job."""
        for directory in self._version.files(self.jobs.pop(job_id)):
            path = self._root / directory
            shutil.rmtree(path)
            if path.parent.name.startswith("uid_") and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def _count(self, cpu_ns: int) -> None:
        """Add to the directories above the jobs, which keep what ended jobs used."""
        self._cpu_ns += cpu_ns
        for path, text in self._version.above(self._cpu_ns).items():
            replace_text(self._root / path, text)

    def of_process(self, job_id: int | None) -> str:
        """Say what `/proc/<pid>/cgroup` shows for a process of the job, or of no job."""
        return self._version.of_process(None if job_id is None else self.jobs[job_id])


def _lines(pids: tuple[int, ...]) -> str:
    return "".join(f"{pid}\n" for pid in pids)
