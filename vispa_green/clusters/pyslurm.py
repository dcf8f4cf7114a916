"""Slurm as pyslurm tells of it, where its version is that of Slurm; needs the extra ``vispa-green[pyslurm]``.

libslurm ends a process that it cannot serve, without an exception. So each question is asked in a process of its
own, whose exit code decides, and its answer is read as carefully as slurmrestd's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vispa_green.clusters._rest.entries import entries
from vispa_green.clusters._rest.facts import TELLS_EXIT_CODES, facts
from vispa_green.clusters.text import WAITING_OR_RUNNING
from vispa_green.errors import ConfigError, SlurmError
from vispa_green.host import Host
from vispa_green.model import Answer, Cluster, JobFact, JobId, QueueEntry
from vispa_green.printable import printable
from vispa_green.settings import number
from vispa_green.slurm import privacy
from vispa_green.slurm.commands import version as slurm_version

PROGRAM = "vispa_green.clusters._pyslurm.telling"
_NO_NUMBERS: Mapping[str, int] = {}
"""pyslurm tells the number of each user itself."""
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:[.\-+][0-9A-Za-z.\-+]*)?")


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[slurm.pyslurm]``: how long one question may take."""

    timeout_s: float = number(60.0, above=0)


@dataclass(frozen=True, slots=True)
class PyslurmCluster:
    """A `Cluster` that is asked through pyslurm."""

    timeout_s: float

    def finished_or_changed(self, since: datetime, until: datetime) -> Answer[list[JobFact]]:
        """Return what accounting has of a span."""
        return _facts(self._ask("span", since=int(since.timestamp()), until=int(until.timestamp())))

    def jobs(self, job_ids: Sequence[JobId]) -> Answer[list[JobFact]]:
        """Return what accounting has of some jobs."""
        ids = [int(job_id) for job_id in job_ids if job_id.isdecimal()]
        return _facts(self._ask("jobs", ids=ids)) if ids else Answer([])

    def queue(self, at: datetime) -> Answer[list[QueueEntry]]:
        """Return what the controller shows."""
        return entries(self._ask("queue"), frozenset(WAITING_OR_RUNNING), at, "pyslurm")

    def coordinators(self) -> Mapping[str, frozenset[str]]:
        """Return what ``sacctmgr`` says: pyslurm does not tell."""
        return privacy.coordinators(timeout_s=self.timeout_s)

    def _ask(self, what: str, **about: object) -> Mapping[str, Any]:
        return asked({"ask": what, **about}, self.timeout_s)


def make(host: Host | None, options: Options) -> Cluster:
    """Return the cluster; raise `ConfigError` where pyslurm cannot be used, with what to install."""
    try:
        mine = asked({"ask": "version"}, options.timeout_s).get("version")
    except SlurmError as error:
        raise ConfigError(
            f"[slurm] source: {error}; install the pyslurm of your Slurm (pip install 'vispa-green[pyslurm]' with"
            " SLURM_INCLUDE_DIR and SLURM_LIB_DIR set), or set source to text"
        ) from error
    installed = slurm_version(timeout_s=options.timeout_s)
    if not are_same_release(str(mine), installed):
        raise ConfigError(
            f"[slurm] source: pyslurm {printable(str(mine)[:20])} is not for Slurm {installed}; install"
            f" pyslurm=={'.'.join(installed.split('.')[:2])}.*, or set source to text"
        )
    return PyslurmCluster(options.timeout_s)


def are_same_release(one: str, other: str) -> bool:
    """Say whether two versions are of one release of Slurm, as 22.5.3 and 22.05.8 are."""
    releases = [(int(match[1]), int(match[2])) for match in map(_VERSION.fullmatch, (one, other)) if match]
    return len(releases) == 2 and releases[0] == releases[1]


def asked(question: Mapping[str, object], timeout_s: float) -> Mapping[str, Any]:
    """Return the answer of the program that runs pyslurm; raise `SlurmError` where it ends without one."""
    command = [sys.executable, "-m", PROGRAM, json.dumps(question)]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=timeout_s, text=True,
            errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"pyslurm gave no answer within {timeout_s:g} s; see [slurm.pyslurm] timeout_s") from error
    except OSError as error:
        raise SlurmError(f"pyslurm: {sys.executable} cannot be run ({error.strerror})") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it printed no reason"])[-1]
        raise SlurmError(f"pyslurm ended with code {done.returncode}: {printable(last[:200])}")
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError) as error:
        raise SlurmError("pyslurm: its program printed no JSON; please report this as a bug") from error
    if not isinstance(answer, Mapping):
        raise SlurmError("pyslurm: its program printed no table; please report this as a bug")
    return answer


def _facts(answer: Mapping[str, Any]) -> Answer[list[JobFact]]:
    return facts(answer, TELLS_EXIT_CODES, _NO_NUMBERS.get, "pyslurm")
