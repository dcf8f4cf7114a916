"""Counters to energy, energy to balanced entries. Pure integer arithmetic; nothing is rounded away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vispa_green.energy.readings import SLACK_NS, DeviceReading, LastReading, difference, remembered
from vispa_green.errors import ImplausibleReading
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

CLOCK_SET_US = 1_000_000
"""A wall clock this far from the monotonic one was set, or stepped by NTP; slewing stays far below."""

LONGEST_ABSENCE_US = 366 * 86_400 * 1_000_000
"""Across a reboot only the wall clock tells how long it was; a year and more is a clock that was wrong."""


def split_exact(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` in proportion to ``weights`` so that the integer parts sum to it exactly.

    The method is that of the largest remainder (Hamilton's apportionment); equal remainders go to
    the earlier weight, so the result depends on nothing but the arguments. Needs one positive weight.
    """
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    missing = total - sum(parts)
    if missing:  # the order of equal ones is kept, also in reverse
        remainders = [total * weight % whole for weight in weights]
        for i in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:missing]:
            parts[i] += 1
    return parts


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
        """Return the baseline that ``now`` leaves; a reading that failed or cannot be true keeps the last good."""
        kept = dict(previous.counters) if previous and previous.boot_id == now.boot_id else {}
        for reading in now.readings:
            if (last := remembered(kept.get(reading.device), reading)) is not None:
                kept[reading.device] = last
        job_cpu = {j.job_id: j.cpu_ns for j in now.jobs if j.last_seen_ns == now.at.monotonic_ns}
        return Baseline(now.at, now.boot_id, now.cpu, kept, job_cpu)

    def close(self, since: Baseline, now: NodePass, gap: str = "") -> NodeInterval:
        """Return the interval from ``since`` to ``now``, attributed to the jobs seen in it.

        ``gap`` says why nobody watched in between, if so. The counters of meters and jobs are
        cumulative, so what is known is still posted, all of it marked as gap: jobs that came and went
        unseen fall to the system account. After a reboot nothing is known.
        """
        start, duration_us, clock = _span(since, now)
        if since.boot_id != now.boot_id:
            reboot = "the node was rebooted" if since.boot_id else ""
            reason = "; ".join(filter(None, (gap or "not watched", reboot, clock)))
            entries = [_unknown(reading, reason) for reading in now.readings]
            return self._interval((start, duration_us), now, entries, (), (Quality.GAP, reason))
        activity = _activity(since, now, duration_us)
        maybe = [self._believable(reading, since, now, activity, gap) for reading in now.readings]
        entries = [_as_gap(entry, gap) if gap else entry for entry in maybe if entry]
        quality = Quality.GAP if gap else Quality.MEASURED
        reason = "; ".join(filter(None, (gap, clock)))
        return self._interval((start, duration_us), now, entries, activity.jobs, (quality, reason))

    def _interval(
        self,
        span: tuple[datetime, int],
        now: NodePass,
        entries: list[EnergyEntry],
        jobs: tuple[JobActivity, ...],
        mark: tuple[Quality, str],
    ) -> NodeInterval:
        (start, duration_us), (quality, reason) = span, mark
        return NodeInterval(
            self.node, now.boot_id, start, now.at.utc, duration_us, quality, tuple(entries), jobs, reason
        )

    def _believable(
        self, reading: DeviceReading, since: Baseline, now: NodePass, activity: NodeActivity, gap: str
    ) -> EnergyEntry | None:
        try:
            return self._entry(reading, since, now, activity, gap)
        except ImplausibleReading as error:
            return _unknown(reading, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a model, a policy or a value does, it costs one row
            return _unknown(reading, f"it could not be accounted ({type(error).__name__}: {error})")

    def _entry(
        self, reading: DeviceReading, since: Baseline, now: NodePass, activity: NodeActivity, gap: str
    ) -> EnergyEntry | None:
        if reading.value_uj is None:
            return _unknown(reading, reading.failure)
        last = since.counters.get(reading.device)
        if last is None:  # a device that has just appeared: its first reading is where it starts from
            return _unknown(reading, "it was not read before") if gap or not reading.in_range else None
        used = difference(last, reading)
        if (used.since_ns, reading.taken_ns) != (since.at.monotonic_ns, now.at.monotonic_ns):
            return EnergyEntry(
                reading.component,
                reading.device,
                Quality.GAP,
                used.energy_uj,
                system_uj=used.energy_uj,
                reason="catching up after failed reads",
            )
        if reading.component is Component.GPU:
            return _by_owner(reading, used.energy_uj, activity)
        return self._shared(reading, used.energy_uj, activity)

    def _shared(self, reading: DeviceReading, energy_uj: int, activity: NodeActivity) -> EnergyEntry:
        split = self.attribution.split(energy_uj, reading.component, activity)
        busy, (idle, idle_uj) = split.jobs_uj, self.idle_policy.shares(split.idle_uj, activity)
        found = [(job_id, busy.get(job_id, 0), idle.get(job_id, 0)) for job_id in sorted({**busy, **idle})]
        return EnergyEntry(
            reading.component,
            reading.device,
            reading.quality,
            energy_uj,
            idle_uj,
            split.system_uj,
            tuple(JobShare(*share) for share in found if share[1] or share[2]),
        )


def _activity(since: Baseline, now: NodePass, duration_us: int) -> NodeActivity:
    busy_ns = total_ns = None
    if since.cpu is not None and now.cpu is not None:
        busy_ns = max(0, now.cpu.busy_ns - since.cpu.busy_ns)
        total_ns = max(0, now.cpu.total_ns - since.cpu.total_ns)
    most_ns = None if now.cpus is None else now.cpus * (duration_us * 1000 + SLACK_NS)
    jobs = (_job_activity(job, since, most_ns) for job in sorted(now.jobs, key=lambda j: j.job_id))
    active = tuple(job for job in jobs if job.cpu_ns or job.present_us)
    return NodeActivity(duration_us, now.cpus, busy_ns, total_ns, active)


def _job_activity(job: SeenJob, since: Baseline, most_ns: int | None) -> JobActivity:
    used_ns = job.cpu_ns - since.job_cpu_ns.get(job.job_id, 0)
    if used_ns < 0:  # a requeued job starts again in a new cgroup, whose counter starts at zero
        used_ns = job.cpu_ns
    if most_ns is not None:  # all CPUs all the time: more is a file that was read while it was not itself
        used_ns = min(used_ns, most_ns)
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


def _span(since: Baseline, now: NodePass) -> tuple[datetime, int, str]:
    """Return the start stamp, the true duration, and what was wrong with the wall clock in between, if so.

    Across a reboot the monotonic clock starts anew and only the wall clock is left to go by.
    """
    wall_us = (now.at.utc - since.at.utc) // timedelta(microseconds=1)
    if since.boot_id != now.boot_id:
        if 0 <= wall_us <= LONGEST_ABSENCE_US:
            return since.at.utc, wall_us, ""
        return now.at.utc, 0, f"the clock was set: the last reading is of {since.at.utc:%Y-%m-%d %H:%M} UTC"
    duration_us = max(0, (now.at.monotonic_ns - since.at.monotonic_ns) // 1000)
    if abs(wall_us - duration_us) <= CLOCK_SET_US:
        return since.at.utc, duration_us, ""
    start = now.at.utc - timedelta(microseconds=duration_us)
    return start, duration_us, f"the clock was set by {(wall_us - duration_us) / 1e6:+.0f} s"
