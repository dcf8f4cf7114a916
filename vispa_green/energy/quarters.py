"""Intervals cut at UTC quarter-hours, so that days, weeks and the grid's steps meet edges of the account. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from vispa_green.energy.accounting import split_exact
from vispa_green.model import QUARTER, EnergyEntry, JobActivity, JobShare, NodeInterval

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def next_quarter(moment: datetime) -> datetime:
    """Return the first quarter-hour after a moment."""
    return _EPOCH + ((moment - _EPOCH) // QUARTER + 1) * QUARTER


def cut(interval: NodeInterval) -> tuple[NodeInterval, ...]:
    """Return the parts of an interval between quarter-hours; every part balances, and together they are the whole.

    Energies, shares and times are divided in proportion to time, to the µJ, ns and µs: nobody knows better
    when within the interval they fell.
    """
    marks = [interval.start]
    while (mark := next_quarter(marks[-1])) < interval.end:
        marks.append(mark)
    marks.append(interval.end)
    if len(marks) == 2:
        return (interval,)
    weights = [(end - start) // _MICROSECOND for start, end in pairwise(marks)]
    durations = split_exact(interval.duration_us, weights)
    entries = [_cut_entry(entry, weights) for entry in interval.entries]
    jobs = [_cut_activity(job, weights) for job in interval.jobs]
    return tuple(
        replace(
            interval,
            start=start,
            end=end,
            duration_us=durations[i],
            entries=tuple(parts[i] for parts in entries),
            jobs=tuple(parts[i] for parts in jobs),
        )
        for i, (start, end) in enumerate(pairwise(marks))
    )


def _cut_entry(entry: EnergyEntry, weights: Sequence[int]) -> list[EnergyEntry]:
    if entry.measured_uj is None:
        return [entry] * len(weights)
    idle, system = split_exact(entry.idle_uj, weights), split_exact(entry.system_uj, weights)
    shares = [(s.job_id, split_exact(s.busy_uj, weights), split_exact(s.idle_uj, weights)) for s in entry.jobs]
    parts = []
    for i in range(len(weights)):
        jobs = tuple(JobShare(job, busy[i], idle_of[i]) for job, busy, idle_of in shares)
        measured = idle[i] + system[i] + sum(share.busy_uj + share.idle_uj for share in jobs)
        parts.append(replace(entry, measured_uj=measured, idle_uj=idle[i], system_uj=system[i], jobs=jobs))
    return parts


def _cut_activity(job: JobActivity, weights: Sequence[int]) -> list[JobActivity]:
    cpu, present = split_exact(job.cpu_ns, weights), split_exact(job.present_us, weights)
    return [replace(job, cpu_ns=cpu[i], present_us=present[i]) for i in range(len(weights))]
