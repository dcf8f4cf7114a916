"""The dynamic power of jobs, in mW: measured where a history has it, from like jobs of our own ledger, else by class.

A prior is looked up from the most to the least particular group with enough jobs: user + job name +
partition, user + partition, account + partition, partition, all. `Priors.resampled` draws the jobs it
was made of anew (bootstrap), so a study can carry what is not known about power into its interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vispa_green.model import Component, JobFact, Ledger, Selection
from vispa_green_sim.errors import PowerError
from vispa_green_sim.machine import Machine, NodePowerModel
from vispa_green_sim.workload import Workload

ENOUGH = 5
"""Jobs that a group needs before it speaks for its next job."""
_PARTS = (Component.CPU, Component.DRAM, Component.GPU)
Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PowerSample:
    """A job whose mean dynamic power is known, in mW for each of its CPUs (its GPUs' share included)."""

    user: str
    account: str
    job_name: str
    partition: str
    mw_per_cpu: float


@dataclass(frozen=True, slots=True)
class Priors:
    """Mean dynamic power by group of jobs."""

    samples: tuple[PowerSample, ...] = field(repr=False)
    means_mw: Mapping[Group, float] = field(repr=False)

    @classmethod
    def of(cls, samples: Iterable[PowerSample]) -> Priors:
        """Make priors of samples; raise `PowerError` without any."""
        kept = tuple(samples)
        if not kept:
            raise PowerError("no job of the ledger has a measured energy; use the power of node classes instead")
        groups: dict[Group, list[float]] = defaultdict(list)
        for sample in kept:
            for group in _groups(sample.user, sample.account, sample.job_name, sample.partition):
                groups[group].append(sample.mw_per_cpu)
        means = {g: sum(found) / len(found) for g, found in groups.items() if len(found) >= ENOUGH or not g}
        return cls(kept, means)

    def resampled(self, seed: int) -> Priors:
        """Return the priors of as many samples drawn with replacement; the same seed, the same draw."""
        drawn = np.random.default_rng(seed).integers(0, len(self.samples), len(self.samples))
        return Priors.of([self.samples[index] for index in drawn])

    def mw_per_cpu(self, user: str, account: str, job_name: str, partition: str) -> float:
        """Return the mean of the most particular group that has enough jobs."""
        groups = _groups(user, account, job_name, partition)
        return next(self.means_mw[group] for group in groups if group in self.means_mw)


def job_powers(workload: Workload, machine: Machine, priors: Priors | None = None) -> list[int]:
    """Return the dynamic power of each job in mW: as measured, else by the priors, else by the first node class."""
    by_class = machine.classes[0].power
    powers = [_of_class(workload, job, by_class) for job in range(len(workload))]
    if priors is not None:
        labels = [_labels(workload, job) for job in range(len(workload))]
        known = {label: priors.mw_per_cpu(*label) for label in set(labels)}
        powers = [round(known[label] * cpus) for label, cpus in zip(labels, workload.processors, strict=True)]
    if len(workload.dynamic_mw):
        powers = [m if m >= 0 else p for m, p in zip(workload.dynamic_mw, powers, strict=True)]
    return powers


def samples_of(ledger: Ledger, selection: Selection | None = None) -> list[PowerSample]:
    """Return the jobs of our ledger with measured or estimated busy energy and a known run."""
    chosen = selection or Selection()
    samples = (
        _sample(account.fact, sum(one.busy_uj for one in account.sums if one.component in _PARTS))
        for account in ledger.energy.jobs(chosen)
        if account.fact is not None
    )
    return [sample for sample in samples if sample is not None]


def _sample(fact: JobFact, busy_uj: int) -> PowerSample | None:
    if fact.start is None or fact.end is None or not fact.cpus or busy_uj <= 0:
        return None
    seconds = (fact.end - fact.start).total_seconds()
    if seconds < 1:
        return None
    return PowerSample(fact.user, fact.account, fact.name, fact.partition, busy_uj / seconds / 1000 / fact.cpus)


def _groups(user: str, account: str, job_name: str, partition: str) -> tuple[Group, ...]:
    return (
        ("user, name", user, job_name, partition),
        ("user", user, partition),
        ("account", account, partition),
        ("partition", partition),
        (),
    )


def _labels(workload: Workload, job: int) -> tuple[str, str, str, str]:
    columns: tuple[Sequence[str], ...] = (workload.user, workload.account, workload.job_name, workload.partition)
    user, account, name, partition = (column[job] if len(column) else "" for column in columns)
    return user, account, name, partition


def _of_class(workload: Workload, job: int, power: NodePowerModel) -> int:
    gpus = workload.gpus[job] if len(workload.gpus) else 0
    return workload.processors[job] * power.cpu_mw + gpus * power.gpu_mw
