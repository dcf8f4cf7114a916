"""How many CPUs and which GPUs of which node a job holds, from ``scontrol -o -d show job``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vispa_green.errors import SlurmError
from vispa_green.model import Binding, JobId
from vispa_green.slurm.commands import run
from vispa_green.slurm.hostlist import expand, expand_numbers

_RECORD = re.compile(r"^(?=JobId=\d+ )", re.MULTILINE)
_HELD = re.compile(r"\sNodes=(\S+) CPU_IDs=(\S+) Mem=\S+ GRES=(\S*)")
_GPU_INDEX = re.compile(r"(?:^|,)gpu(?::[^,:()]+)*\(IDX:([\d,-]+)\)")


def bindings(job_id: JobId | None = None, *, timeout_s: float) -> dict[JobId, dict[str, Binding]]:
    """Ask for one job, or all that the controller remembers; a job it has forgotten is left out.

    Raises `SlurmError` where the controller cannot be asked.
    """
    try:
        text = run(["scontrol", "-o", "-d", "show", "job", *([job_id] if job_id else [])], timeout_s=timeout_s)
    except SlurmError as error:
        if "Invalid job id" in str(error):
            return {}
        raise
    return parse_bindings(text)


def parse_bindings(text: str) -> dict[JobId, dict[str, Binding]]:
    """Read ``scontrol -o -d show job``; a pending job holds nothing and gets an empty mapping.

    Job names and comments are printed as their users wrote them, line ends included. A record in which
    such text could pass for an allocation is left out: no binding is better than somebody else's.
    """
    found: dict[JobId, dict[str, Binding]] = {}
    doubtful: set[JobId] = set()
    for record in _RECORD.split(text):
        if not record.strip():
            continue
        job_id = record.removeprefix("JobId=").split(maxsplit=1)[0]
        if job_id in found or record.count(" UserId=") != 1 or record.count(" MinCPUsNode=") != 1:
            doubtful.add(job_id)
            continue
        trusted = record[record.index(" UserId=") : record.index(" MinCPUsNode=") + 1]
        found[job_id] = dict(_held(trusted))
    return {job_id: held for job_id, held in found.items() if job_id not in doubtful}


def gpu_indices(gres: str) -> tuple[int, ...]:
    """Return the GPU indices of e.g. ``gpu:a100:2(IDX:0-1),shard:4(IDX:0)``."""
    return tuple(sorted({index for text in _GPU_INDEX.findall(gres) for index in expand_numbers(text)}))


def _held(record: str) -> Iterator[tuple[str, Binding]]:
    merged: Mapping[str, Binding] = {}
    for nodes, cpu_ids, gres in _HELD.findall(record):
        binding = Binding(allocated_cpus=len(expand_numbers(cpu_ids)), gpus=gpu_indices(gres))
        merged = {**merged, **dict.fromkeys(expand(nodes), binding)}
    yield from merged.items()
