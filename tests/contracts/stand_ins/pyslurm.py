"""A module called pyslurm with the names that pyslurm 25.11 documents, and a Slurm of that release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contracts.slurm_day import COMMENT, NAME, SECOND, UID, USER
from tests.contracts.stand_ins._programs import on_path
from tests.contracts.standing_in import StandIn

MODULE = f"""
from types import SimpleNamespace as Thing

__version__ = "25.11.2"
both = dict(
    account="physics", partition="main", qos="normal", wckey="p1", name={NAME!r}, comment={COMMENT!r},
    user_name={USER!r}, user_id={UID}, submit_time={SECOND}, heterogeneous_id=None, heterogeneous_offset=None,
)
step = Thing(id=0, start_time={SECOND + 60}, end_time={SECOND + 660}, ntasks=3,
             stats=Thing(max_resident_memory=100 * 2**20))
job = Thing(
    id=42, array_id=41, array_task_id=None, array_tasks_waiting=None, array_tasks_parallel=None, state="FAILED",
    nodelist="n[1-2]", eligible_time={SECOND}, start_time={SECOND + 60}, end_time={SECOND + 660}, elapsed_time=600,
    time_limit=60, cpus=8, memory=4000, exit_code=3, exit_code_signal=0, steps={{0: step}}, **both,
)
waiting = Thing(
    id=43, array_id=43, array_task_id=None, array_tasks_waiting="1,3-5", array_tasks_parallel=2, state="PENDING",
    state_reason="BeginTime", allocated_nodes=None, eligible_time={SECOND + 2 * 86400}, start_time=None,
    end_time=None, suspend_time=None, pre_suspension_time=None, time_limit=None, cpus=2, ntasks=1, cpus_per_task=2,
    priority=10,
    **both,
)


class Jobs(dict):
    @staticmethod
    def load():
        return Jobs({{43: waiting}})


class JobFilter:
    def __init__(self, ids=(), start_time=None, end_time=None):
        self.ids, self.start_time, self.end_time = ids, start_time, end_time


class RecordedJobs(dict):
    @staticmethod
    def load(wanted):
        asked = not wanted.ids or 42 in wanted.ids
        since, until = wanted.start_time or 0, wanted.end_time or 2**40
        is_within = since <= job.end_time and until > job.submit_time
        return RecordedJobs({{42: job}} if asked and is_within else {{}})


db = Thing(JobFilter=JobFilter, Jobs=RecordedJobs)
"""


@contextmanager
def healthy(directory: Path) -> Iterator[StandIn]:
    """Yield nothing but the module."""
    modules = directory / "modules"
    modules.mkdir()
    (modules / "pyslurm.py").write_text(MODULE, encoding="utf-8")
    with on_path(directory, version="25.11.5") as environment:
        environment.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(modules), os.environ.get("PYTHONPATH")])))
        yield StandIn(table={"timeout_s": 30})


def absent(directory: Path) -> StandIn:
    """Return nothing: pyslurm is not installed."""
    return StandIn()
