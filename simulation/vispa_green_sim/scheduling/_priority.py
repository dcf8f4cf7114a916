"""Slurm's multifactor priority (``priority/multifactor``): a weighted sum of factors between 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vispa_green_sim.machine import Machine
from vispa_green_sim.workload import Workload

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Weights:
    """``PriorityWeight…`` and their company in slurm.conf; the defaults are a common site's."""

    age: int = 1000
    fairshare: int = 10_000
    job_size: int = 1000
    partition: int = 1000
    qos: int = 1000
    max_age_s: int = 7 * DAY_S
    decay_half_life_s: int = 7 * DAY_S
    favor_small: bool = False
    qos_factor: Mapping[str, float] = field(default_factory=dict)
    """0 … 1 for each QOS by name; others count 0."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Fair-share shares by user; others hold 1."""
    bonus: Sequence[float] = ()
    """Added to the priority of each job, by index: what an incentive or compensation is worth."""


class Priority:
    """Priorities of waiting jobs. Usage is charged when a job ends, and decays with the half-life."""

    __slots__ = ("_charged_s", "_fixed", "_tier", "_total", "_usage", "_weights", "_workload")

    def __init__(self, workload: Workload, machine: Machine, weights: Weights) -> None:
        """Work out what does not change while jobs wait."""
        self._workload, self._weights = workload, weights
        self._usage: dict[str, float] = {}
        self._charged_s = self._total = 0.0
        partitions = {p.name: p for p in machine.partitions}
        highest = max((p.priority_job_factor for p in machine.partitions), default=1)
        self._tier = {name: p.priority_tier for name, p in partitions.items()}
        self._fixed = []
        for job, width in enumerate(workload.processors):
            size = width / machine.processors
            value = weights.job_size * (1 - size if weights.favor_small else size)
            if len(workload.partition) and (home := partitions.get(workload.partition[job])):
                value += weights.partition * home.priority_job_factor / highest
            if len(workload.qos):
                value += weights.qos * weights.qos_factor.get(workload.qos[job], 0.0)
            self._fixed.append(value + (weights.bonus[job] if len(weights.bonus) else 0.0))

    def charge(self, job: int, processor_s: int, now: int) -> None:
        """Add a job's use to its user's."""
        growth = 2.0 ** ((now - self._charged_s) / self._weights.decay_half_life_s)
        if growth > 1e100:  # kept in units of the last charge's time, so nothing has to be scaled down each time
            self._usage = {user: used / growth for user, used in self._usage.items()}
            self._total, self._charged_s, growth = self._total / growth, now, 1.0
        user = self._user(job)
        self._usage[user] = self._usage.get(user, 0.0) + processor_s * growth
        self._total += processor_s * growth

    def ordered(self, jobs: Sequence[int], now: int) -> list[int]:
        """Return waiting jobs by tier of their partition, priority, then place in the queue."""
        fair = {user: self._fairshare(user) for user in {self._user(job) for job in jobs}}
        weights, submit, partition = self._weights, self._workload.submit_s, self._workload.partition

        def key(job: int) -> tuple[int, float, int]:
            age = min(1.0, (now - submit[job]) / weights.max_age_s)
            value = self._fixed[job] + weights.age * age + weights.fairshare * fair[self._user(job)]
            tier = self._tier.get(partition[job], 1) if len(partition) else 1
            return -tier, -value, job

        return sorted(jobs, key=key)

    def _fairshare(self, user: str) -> float:
        """2 ** −(share of usage / share of shares), Slurm's classic formula."""
        if not self._total or user not in self._usage:
            return 1.0
        shares = self._weights.shares
        all_shares = sum(shares.get(name, 1.0) for name in self._usage)
        return float(2.0 ** -(self._usage[user] / self._total / (shares.get(user, 1.0) / all_shares)))

    def _user(self, job: int) -> str:
        return self._workload.user[job] if len(self._workload.user) else ""
