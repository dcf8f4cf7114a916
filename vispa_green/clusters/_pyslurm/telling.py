"""The program that runs pyslurm: reads one question as JSON, answers in the words of slurmrestd's JSON.

    python -m vispa_green.clusters._pyslurm.telling '{"ask": "version"}'

libslurm ends a process that it cannot serve, so no program of ours imports pyslurm itself. Written against the
API of pyslurm 25.11. Nothing is checked here: whoever asks reads the answer as he reads slurmrestd's.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Job = Any
"""An object of pyslurm, which has no types."""


def version(pyslurm: Any, question: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Tell which version this is."""
    return {"version": pyslurm.__version__}


def span(pyslurm: Any, question: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Tell what accounting has of a span."""
    wanted = pyslurm.db.JobFilter(start_time=question["since"], end_time=question["until"])
    return {"jobs": [_recorded(job) for job in pyslurm.db.Jobs.load(wanted).values()]}


def jobs(pyslurm: Any, question: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Tell what accounting has of some jobs."""
    wanted = pyslurm.db.JobFilter(ids=question["ids"])
    return {"jobs": [_recorded(job) for job in pyslurm.db.Jobs.load(wanted).values()]}


def queue(pyslurm: Any, question: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Tell what the controller shows."""
    return {"jobs": [_queued(job) for job in pyslurm.Jobs.load().values()]}


ANSWERS: Mapping[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]] = {
    "version": version, "span": span, "jobs": jobs, "queue": queue,
}  # fmt: skip


def _recorded(job: Job) -> dict[str, Any]:
    task, offset = _numbers(job)
    return {
        "job_id": job.id,
        "array": {
            "job_id": job.array_id,
            "task_id": task,
            "task": job.array_tasks_waiting,
            "limits": {"max": {"running": {"tasks": job.array_tasks_parallel}}},
        },
        "het": {"job_id": job.heterogeneous_id, "job_offset": offset},
        "user": job.user_name,
        "user_id": job.user_id,
        "account": job.account,
        "partition": job.partition,
        "qos": job.qos,
        "name": job.name,
        "comment": {"job": job.comment},
        "wckey": {"wckey": job.wckey},
        "state": {"current": job.state},
        "nodes": job.nodelist,
        "time": {
            "submission": job.submit_time, "eligible": job.eligible_time, "start": job.start_time,
            "end": job.end_time, "elapsed": job.elapsed_time or 0, "limit": _limit(job),
        },
        "tres": {
            "allocated": [{"type": "cpu", "count": job.cpus}],
            "requested": [] if job.memory is None else [{"type": "mem", "count": job.memory}],
        },
        "exit_code": {"return_code": job.exit_code, "signal": {"id": job.exit_code_signal}},
        "steps": [_step(step) for step in job.steps.values()],
    }  # fmt: skip


def _step(step: Job) -> dict[str, Any]:
    largest = step.stats.max_resident_memory
    return {
        "step": {"id": step.id},
        "time": {"start": step.start_time, "end": step.end_time},
        "tasks": {"count": step.ntasks},
        "tres": {"requested": {"max": [] if largest is None else [{"type": "mem", "count": largest}]}},
    }


def _queued(job: Job) -> dict[str, Any]:
    task, offset = _numbers(job)
    return {
        "job_id": job.id,
        "array_job_id": job.array_id,
        "array_task_id": task,
        "array_task_string": job.array_tasks_waiting,
        "array_max_tasks": job.array_tasks_parallel,
        "het_job_id": job.heterogeneous_id,
        "het_job_offset": offset,
        "user_name": job.user_name,
        "user_id": job.user_id,
        "account": job.account,
        "partition": job.partition,
        "qos": job.qos,
        "wckey": job.wckey,
        "name": job.name,
        "comment": job.comment,
        "job_state": job.state,
        "state_reason": job.state_reason,
        "nodes": job.allocated_nodes,
        "cpus": job.cpus,
        "tasks": job.ntasks,
        "cpus_per_task": job.cpus_per_task,
        "time_limit": _limit(job),
        "submit_time": job.submit_time,
        "eligible_time": job.eligible_time,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "suspend_time": job.suspend_time,
        "pre_sus_time": job.pre_suspension_time,
        "priority": job.priority,
    }


def _limit(job: Job) -> int | None:
    """Return minutes; pyslurm has words for what has no end."""
    limit = job.time_limit
    return limit if isinstance(limit, int) else None


def _numbers(job: Job) -> tuple[int | None, int | None]:
    """Return the task of an array and the place in a het job; to pyslurm, the first of either is none."""
    is_task = job.array_id and not job.array_tasks_waiting
    return (job.array_task_id or 0) if is_task else None, (
        (job.heterogeneous_offset or 0) if job.heterogeneous_id else None
    )


def main(arguments: Sequence[str]) -> int:
    """Answer one question."""
    question = json.loads(arguments[0])
    answer = ANSWERS[question["ask"]](importlib.import_module("pyslurm"), question)
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
