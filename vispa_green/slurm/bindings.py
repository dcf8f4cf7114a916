"""Which job a job is, and how many CPUs and which GPUs of which node it holds.

``scontrol -o -d show job`` alone tells CPUs and GPUs by node, but it prints text of users as they wrote it,
without any separator. So squeue, which has one, is asked first. What it knows of a job is then looked for
literally: a record of scontrol counts from ``JobId=`` over the job's exact name and account to its allocation,
and only if there is one such place. A job for which somebody else's text has made a second one is asked for
alone: then its own record comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vispa_green.errors import SlurmError
from vispa_green.model import Answer, Binding, JobId, QueueEntry
from vispa_green.numbers import utc_second
from vispa_green.slurm.commands import run
from vispa_green.slurm.hostlist import expand, expand_numbers
from vispa_green.slurm.records import told
from vispa_green.slurm.squeue import entries

Held = dict[JobId, dict[str, Binding]]
"""By job and node."""

MOST_ALONE = 256
"""More jobs are not asked for one by one."""

_SHOW = ("scontrol", "-o", "-d", "show", "job")
_START = re.compile(
    r"^JobId=([0-9]{1,10}) (?:ArrayJobId=[0-9]+ ArrayTaskId=\S+ (?:ArrayTaskThrottle=[0-9]+ )?"
    r"|HetJobId=[0-9]+ HetJobOffset=[0-9]+ )?JobName=",
    re.MULTILINE,
)
_OWNER = re.compile(
    r"(?: HetJobIdSet=\S+)? UserId=[^\n()]*\(([0-9]+)\) GroupId=[^\n()]*\([0-9]+\) MCS_label=\S* Priority=[0-9]+"
    r" Nice=-?[0-9]+ Account="
)
_SUBMITTED = re.compile(r" SubmitTime=([0-9]+) ")
_END = " MinCPUsNode="
_HELD = re.compile(r"\sNodes=(\S+) CPU_IDs=(\S+) Mem=\S+ GRES=(\S*)")
_GPU_INDEX = re.compile(r"(?:^|,)gpu(?::[^,:()]+)*\(IDX:([0-9,-]+)\)")


def bindings(*, timeout_s: float) -> Answer[Held]:
    """Return what all jobs hold that the controller remembers; raise `SlurmError` where it cannot be asked.

    A pending job holds nothing and gets an empty mapping. Of a job whose record in scontrol cannot be
    trusted, CPUs and GPUs stay unknown.
    """
    queue = entries(timeout_s=timeout_s)
    held, doubtful = parse_bindings(run(_SHOW, timeout_s=timeout_s), queue.records)
    alone = _asked_alone(doubtful[:MOST_ALONE], timeout_s)
    faults = [
        f"scontrol: what job {entry.job_id} holds was left out, its record cannot be told from what users wrote"
        for entry in doubtful
        if entry.job_id not in alone
    ]
    return Answer({**held, **alone}, queue.faults + told(faults, "scontrol"))


def parse_bindings(text: str, queue: Iterable[QueueEntry]) -> tuple[Held, list[QueueEntry]]:
    """Read all of ``scontrol -o -d show job`` by what the queue shows; the second are jobs to be asked for alone.

    Those are in the first, too, with what squeue says of them.
    """
    known = {entry.job_id: entry for entry in queue}
    places: dict[JobId, list[str]] = {}
    for match in _START.finditer(text):
        entry = known.get(match[1])
        allocation = _allocation(text, match.end(), entry) if entry else None
        if allocation is not None:
            places.setdefault(match[1], []).append(allocation)
    held: Held = {}
    doubtful: list[QueueEntry] = []
    for job_id, entry in known.items():
        found = places.get(job_id, [])
        by_node = _by_node(found[0], entry) if len(found) == 1 else None
        held[job_id] = _from_queue(entry) if by_node is None else by_node
        if by_node is None and entry.nodes:
            doubtful.append(entry)
    return held, doubtful


def parse_alone(text: str, entry: QueueEntry) -> dict[str, Binding] | None:
    """Read ``scontrol -o -d show job ID``: what is printed first is the job's; ``None`` if that cannot be it."""
    match = _START.match(text)
    if match is None or match[1] != entry.job_id:
        return None
    allocation = _allocation(text, match.end(), entry)
    return None if allocation is None else _by_node(allocation, entry)


def gpu_indices(gres: str) -> tuple[int, ...]:
    """Return the GPU indices of e.g. ``gpu:a100:2(IDX:0-1),shard:4(IDX:0)``; raise `SlurmError` for no list."""
    return tuple(sorted({index for text in _GPU_INDEX.findall(gres) for index in expand_numbers(text)}))


def _asked_alone(doubtful: Iterable[QueueEntry], timeout_s: float) -> Held:
    found: Held = {}
    for entry in doubtful:
        job = entry.display_id if "_" in entry.display_id else entry.job_id  # the first task's id is the array's, too
        try:
            by_node = parse_alone(run([*_SHOW, job], timeout_s=timeout_s), entry)
        except SlurmError as error:
            if "Invalid job id" in str(error):  # it has been forgotten meanwhile
                continue
            return found
        if by_node is not None:
            found[entry.job_id] = by_node
    return found


def _allocation(text: str, at: int, entry: QueueEntry) -> str | None:
    """Return the part of a record that Slurm alone writes, if the job's own text is before it to the letter."""
    if not text.startswith(entry.name, at):
        return None
    owner = _OWNER.match(text, at + len(entry.name))
    if owner is None or owner[1] != str(entry.uid):
        return None
    rest = _own_words(entry).match(text, owner.end())
    end = text.find(_END, rest.end()) if rest else -1
    if rest is None or end < 0:
        return None
    allocation = text[rest.end() : end]
    submitted = _SUBMITTED.findall(allocation)
    is_his = len(submitted) == 1 and utc_second(submitted[0]) == entry.submit
    return allocation if is_his and "\n" not in allocation else None


def _own_words(entry: QueueEntry) -> re.Pattern[str]:
    account = re.escape(entry.account) if entry.account else r"\(null\)"
    project = re.escape(entry.wckey) if entry.wckey else r"(?:\(null\))?"
    return re.compile(rf"{account} QOS=\S*(?: WCKey=\*?{project})? JobState=[A-Z_]+(?= )")


def _by_node(allocation: str, entry: QueueEntry) -> dict[str, Binding] | None:
    try:
        return dict(_held(allocation, entry))
    except SlurmError:
        return None


def _held(allocation: str, entry: QueueEntry) -> Iterator[tuple[str, Binding]]:
    for nodes, cpu_ids, gres in _HELD.findall(allocation):
        for node in expand(nodes):
            yield node, _binding(entry, len(expand_numbers(cpu_ids)), gpu_indices(gres))


def _from_queue(entry: QueueEntry) -> dict[str, Binding]:
    return dict.fromkeys(entry.nodes, _binding(entry))


def _binding(entry: QueueEntry, cpus: int | None = None, gpus: tuple[int, ...] | None = None) -> Binding:
    return Binding(entry.uid, cpus, gpus, entry.submit, entry.tasks, entry.cpus_per_task)
