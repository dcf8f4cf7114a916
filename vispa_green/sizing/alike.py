"""Which jobs are alike, and what each run of them used. Pure.

Alike are the jobs of one user on one cluster whose names are the same but for their digits; tasks of an array are
not alike to jobs of their own. Of nodes only what all of them held together is known, so on each node of a job with
several, that much counts as used: no way in which Slurm may lay out its tasks needs more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vispa_green.model import JobFact
from vispa_green.sizing.rule import Run

_NEVER = datetime.max.replace(tzinfo=UTC)
_DIGITS = re.compile(r"[0-9]+")
_AT_ITS_LIMIT = 0.95
"""A run that failed while it held this part of its memory is taken for one that was killed for it."""


@dataclass(frozen=True, slots=True, order=True)
class Family:
    """What jobs that are alike have in common."""

    cluster: str
    user: str
    name: str
    """With ``#`` for each row of digits."""
    is_array: bool


def family_of(cluster: str, user: str, name: str, *, is_array: bool) -> Family:
    """Return the family of a job that is called so."""
    return Family(cluster, user, _DIGITS.sub("#", name), is_array)


def is_task(display_id: str) -> bool:
    """Say whether the id is that of an array's task."""
    return "_" in display_id


def memory_run(fact: JobFact, sampled_every: timedelta) -> Run | None:
    """Return what a run that is over held on each node, in MiB.

    Slurm looks at memory every ``sampled_every``: what a run held that was no longer than two of these is not known.
    """
    nodes = len(fact.nodes) or 1
    asked = None if fact.memory_mib is None else fact.memory_mib / nodes
    held = fact.peak_memory_mib or None
    length = _length(fact)
    is_full = held is not None and asked is not None and nodes == 1 and held >= _AT_ITS_LIMIT * asked
    was_cut = fact.state == "OUT_OF_MEMORY" or (fact.state == "FAILED" and is_full)
    if held is not None and not was_cut and (length is None or length < 2 * sampled_every):
        held = None
    return _run(fact, asked, None if held is None else float(held), was_cut=was_cut, nodes=nodes)


def time_run(fact: JobFact) -> Run | None:
    """Return how long a run took that is over, in seconds."""
    length = _length(fact)
    asked = None if fact.time_limit is None else fact.time_limit.total_seconds()
    used = None if length is None else length.total_seconds()
    return _run(fact, asked, used, was_cut=fact.state == "TIMEOUT")


def cpu_run(fact: JobFact, cpu_efficiency: float | None) -> Run | None:
    """Return how many CPUs a run that is over kept busy in the mean."""
    if fact.cpus is None:
        return None
    used = None if cpu_efficiency is None else fact.cpus * cpu_efficiency
    return _run(fact, float(fact.cpus), used, was_cut=False)


def _run(fact: JobFact, asked: float | None, used: float | None, *, was_cut: bool, nodes: int = 1) -> Run | None:
    if not fact.has_run or fact.submit is None or fact.end is None:
        return None
    hours = (_length(fact) or timedelta(0)) / timedelta(hours=1)
    is_whole = fact.state == "COMPLETED"
    return Run(
        fact.submit, fact.end, asked, used, was_cut=was_cut, is_whole=is_whole, cpus=fact.cpus or 1, nodes=nodes,
        hours=hours,
    )  # fmt: skip


def _length(fact: JobFact) -> timedelta | None:
    if fact.elapsed is not None:
        return fact.elapsed
    return None if fact.start is None or fact.end is None else fact.end - fact.start


def families(facts: Iterable[tuple[str, JobFact]]) -> dict[Family, list[JobFact]]:
    """Return jobs, each with its cluster, by what they have in common; the one submitted last comes last."""
    found: defaultdict[Family, list[JobFact]] = defaultdict(list)
    for cluster, fact in sorted(facts, key=lambda one: one[1].submit or _NEVER):
        if fact.submit is not None:
            found[family_of(cluster, fact.user, fact.name, is_array=is_task(fact.display_id))].append(fact)
    return dict(found)


def runs_of(facts: Iterable[JobFact], read: Callable[[JobFact], Run | None]) -> list[Run]:
    """Return the runs that are over, as ``read`` sees them."""
    return [run for run in map(read, facts) if run is not None]
