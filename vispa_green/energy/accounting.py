"""Counters to energy, energy to balanced entries. Pure integer arithmetic; nothing is rounded away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vispa_green.errors import CounterReset
from vispa_green.model import (
    AttributionModel,
    Binding,
    Component,
    CpuTime,
    EnergyEntry,
    IdlePolicy,
    Instant,
    JobActivity,
    JobId,
    JobShare,
    NodeActivity,
    NodeInterval,
    Quality,
)

PLAUSIBLE_DEVICE_WATTS = 1000
"""No single socket, DRAM domain or card draws more; bounds how long a wrapping counter may go unread."""

SURELY_READ_IN_TIME_NS = 60_000_000_000
"""The smallest register in use holds 65.5 kJ (2³² units of 15.3 µJ), more than a device can use in this time."""


def split_exact(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` in proportion to ``weights`` so that the integer parts sum to it exactly.

    The method is that of the largest remainder (Hamilton's apportionment); equal remainders go to
    the earlier weight, so the result depends on nothing but the arguments. Needs one positive weight.
    """
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def counter_difference(before: int, after: int, modulus: int | None) -> int:
    """Return the energy between two readings of a counter that wraps at most once between them."""
    if after >= before:
        return after - before
    if modulus is None:
        raise CounterReset(f"the counter went from {before} to {after} and has no wrap-around")
    return modulus - before + after


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One meter's answer in one pass; ``value_uj`` is ``None`` when it failed, and ``failure`` says why."""

    component: Component
    device: str
    quality: Quality
    modulus_uj: int | None
    gpu_index: int | None
    value_uj: int | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class SeenJob:
    """A job met since the last pass: its cumulative CPU time, and when it was first and last seen (monotonic)."""

    job_id: JobId
    cpu_ns: int
    binding: Binding
    first_seen_ns: int
    last_seen_ns: int


@dataclass(frozen=True, slots=True)
class NodePass:
    """Everything read in one pass over a node."""

    at: Instant
    boot_id: str
    cpus: int | None
    cpu: CpuTime | None
    readings: tuple[DeviceReading, ...]
    jobs: tuple[SeenJob, ...]


@dataclass(frozen=True, slots=True)
class LastReading:
    """The last good value of a counter and when it was read."""

    value_uj: int
    monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the next interval is measured against; made durable together with the interval it ends."""

    at: Instant
    boot_id: str
    cpu: CpuTime | None
    counters: Mapping[str, LastReading]
    job_cpu_ns: Mapping[JobId, int]


@dataclass(frozen=True, slots=True)
class Accountant:
    """Turns two passes into one balanced `NodeInterval`."""

    node: str
    attribution: AttributionModel
    idle_policy: IdlePolicy

    def baseline(self, now: NodePass, previous: Baseline | None = None) -> Baseline:
        """Return the baseline that ``now`` leaves; a counter that failed keeps its last good reading."""
        kept = dict(previous.counters) if previous and previous.boot_id == now.boot_id else {}
        for reading in now.readings:
            if reading.value_uj is not None:
                kept[reading.device] = LastReading(reading.value_uj, now.at.monotonic_ns)
        job_cpu = {j.job_id: j.cpu_ns for j in now.jobs}
        return Baseline(now.at, now.boot_id, now.cpu, kept, job_cpu)

    def close(self, since: Baseline, now: NodePass, gap: str = "") -> NodeInterval:
        """Return the interval from ``since`` to ``now``, attributed to the jobs seen in it.

        ``gap`` says why nobody watched in between, if so. The counters of meters and jobs are
        cumulative, so what is known is still posted, all of it marked as gap: jobs that came and went
        unseen fall to the system account. After a reboot nothing is known.
        """
        if since.boot_id != now.boot_id:
            reason = f"{gap or 'not watched'}; the node was rebooted"
            entries = [_unknown(reading, reason) for reading in now.readings if reading.device in since.counters]
            return self._interval(since, now, entries, (), reason)
        activity = self._activity(since, now)
        maybe = [self._entry(reading, since, now, activity) for reading in now.readings]
        entries = [_as_gap(entry, gap) if gap else entry for entry in maybe if entry]
        return self._interval(since, now, entries, activity.jobs, gap)

    def _interval(
        self, since: Baseline, now: NodePass, entries: list[EnergyEntry], jobs: tuple[JobActivity, ...], gap: str
    ) -> NodeInterval:
        start, duration_us = _span(since, now)
        quality = Quality.GAP if gap else Quality.MEASURED
        return NodeInterval(
            self.node, now.boot_id, start, now.at.utc, duration_us, quality, tuple(entries), jobs, gap
        )

    def _entry(
        self, reading: DeviceReading, since: Baseline, now: NodePass, activity: NodeActivity
    ) -> EnergyEntry | None:
        if reading.value_uj is None:
            return _unknown(reading, reading.failure)
        last = since.counters.get(reading.device)
        if last is None:  # a device that has just appeared: its first reading is where it starts from
            return None
        if last.monotonic_ns != since.at.monotonic_ns:
            return self._unattributed(reading, last, now, "catching up after failed reads")
        try:
            energy_uj = self._energy_uj(reading, last, now)
        except CounterReset as reset:
            return _unknown(reading, str(reset))
        if reading.component is Component.GPU:
            return _by_owner(reading, energy_uj, activity)
        return self._shared(reading, energy_uj, activity)

    def _energy_uj(self, reading: DeviceReading, last: LastReading, now: NodePass) -> int:
        if reading.value_uj is None:
            raise CounterReset(reading.failure)
        elapsed_ns = now.at.monotonic_ns - last.monotonic_ns
        if reading.modulus_uj is not None and elapsed_ns > SURELY_READ_IN_TIME_NS:
            possible_uj = elapsed_ns * PLAUSIBLE_DEVICE_WATTS // 1000
            if possible_uj >= reading.modulus_uj:
                raise CounterReset(f"unread for {elapsed_ns / 1e9:.0f} s, it may have wrapped more than once")
        return counter_difference(last.value_uj, reading.value_uj, reading.modulus_uj)

    def _unattributed(self, reading: DeviceReading, last: LastReading, now: NodePass, reason: str) -> EnergyEntry:
        try:
            energy_uj = self._energy_uj(reading, last, now)
        except CounterReset as unknown:
            return _unknown(reading, f"{reason}; {unknown}")
        return EnergyEntry(
            reading.component, reading.device, Quality.GAP, energy_uj, system_uj=energy_uj, reason=reason
        )

    def _shared(self, reading: DeviceReading, energy_uj: int, activity: NodeActivity) -> EnergyEntry:
        split = self.attribution.split(energy_uj, reading.component, activity)
        idle_shares, idle_uj = self.idle_policy.shares(split.idle_uj, activity)
        shares = [
            JobShare(job_id, split.jobs_uj.get(job_id, 0), idle_shares.get(job_id, 0))
            for job_id in sorted({*split.jobs_uj, *idle_shares})
        ]
        return EnergyEntry(
            reading.component,
            reading.device,
            reading.quality,
            energy_uj,
            idle_uj,
            split.system_uj,
            tuple(share for share in shares if share.busy_uj or share.idle_uj),
        )

    def _activity(self, since: Baseline, now: NodePass) -> NodeActivity:
        _, duration_us = _span(since, now)
        busy_ns = total_ns = None
        if since.cpu is not None and now.cpu is not None:
            busy_ns = max(0, now.cpu.busy_ns - since.cpu.busy_ns)
            total_ns = max(0, now.cpu.total_ns - since.cpu.total_ns)
        jobs = (_job_activity(job, since) for job in sorted(now.jobs, key=lambda j: j.job_id))
        active = tuple(job for job in jobs if job.cpu_ns or job.present_us)
        return NodeActivity(duration_us, now.cpus, busy_ns, total_ns, active)


def _job_activity(job: SeenJob, since: Baseline) -> JobActivity:
    used_ns = job.cpu_ns - since.job_cpu_ns.get(job.job_id, 0)
    if used_ns < 0:  # a requeued job starts again in a new cgroup, whose counter starts at zero
        used_ns = job.cpu_ns
    # A job of the baseline was there from the start, even if the agent that saw it then was another.
    since_ns = since.at.monotonic_ns if job.job_id in since.job_cpu_ns else job.first_seen_ns
    present_ns = job.last_seen_ns - max(since_ns, since.at.monotonic_ns)
    return JobActivity(job.job_id, used_ns, max(0, present_ns // 1000), job.binding)


def _by_owner(reading: DeviceReading, energy_uj: int, activity: NodeActivity) -> EnergyEntry:
    owners = [j for j in activity.jobs if reading.gpu_index in (j.binding.gpus or ())]
    present = [j for j in owners if j.present_us] or owners
    if not present:
        return EnergyEntry(reading.component, reading.device, reading.quality, energy_uj, idle_uj=energy_uj)
    parts = split_exact(energy_uj, [max(1, j.present_us) for j in present])
    shares = tuple(JobShare(j.job_id, part) for j, part in zip(present, parts, strict=True))
    return EnergyEntry(reading.component, reading.device, reading.quality, energy_uj, jobs=shares)


def _as_gap(entry: EnergyEntry, reason: str) -> EnergyEntry:
    return replace(entry, quality=Quality.GAP, reason="; ".join(filter(None, (reason, entry.reason))))


def _unknown(reading: DeviceReading, reason: str) -> EnergyEntry:
    return EnergyEntry(reading.component, reading.device, Quality.GAP, None, reason=reason)


def _span(since: Baseline, now: NodePass) -> tuple[datetime, int]:
    """Return the start stamp and the true duration, also when the wall clock was set in between.

    Across a reboot the monotonic clock starts anew and only the wall clock is left to go by.
    """
    wall_us = (now.at.utc - since.at.utc) // timedelta(microseconds=1)
    if since.boot_id != now.boot_id:
        return min(since.at.utc, now.at.utc), max(0, wall_us)
    duration_us = (now.at.monotonic_ns - since.at.monotonic_ns) // 1000
    if abs(wall_us - duration_us) <= 1_000_000:
        return since.at.utc, duration_us
    return now.at.utc - timedelta(microseconds=duration_us), duration_us
