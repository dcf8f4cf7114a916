"""Intervals and baselines as text: one line of JSON, arrays without names, times in µs since 1970.

Reading is strict: what was not written here is `SpoolDamaged`, never a value that is nearly right.
Law: what is written and read again is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from vispa_green.energy.accounting import Baseline
from vispa_green.energy.readings import LastReading, Point
from vispa_green.errors import SpoolDamaged, VispaGreenError
from vispa_green.model import (
    Binding,
    Component,
    CpuTime,
    EnergyEntry,
    Instant,
    JobActivity,
    JobShare,
    NodeInterval,
    Quality,
)

VERSION = 1
T = TypeVar("T")
_PLAIN = ("uid", "allocated_cpus", "gpus", "tasks", "cpus_per_task")
"""The fields of a binding that are written as they are."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def interval_text(interval: NodeInterval) -> str:
    """Write an interval."""
    jobs, held = interval.jobs, [job.binding for job in interval.jobs]
    return _text([
        VERSION, interval.node, interval.boot_id, us(interval.start), us(interval.end), interval.duration_us,
        interval.quality, interval.reason,
        [_entry_row(entry) for entry in interval.entries],
        [[job.job_id for job in jobs], [job.cpu_ns for job in jobs], [job.present_us for job in jobs]],
        [[getattr(binding, name) for binding in held] for name in _PLAIN],
        [None if binding.submitted is None else us(binding.submitted) for binding in held],
    ])  # fmt: skip


def read_interval(text: str) -> NodeInterval:
    """Read an interval; raise `SpoolDamaged` for anything else."""

    def build(row: list[Any]) -> NodeInterval:
        node, boot_id, start, end, duration_us, quality, reason, entries, jobs, plain, submitted = row
        held = zip(*_columns([*plain, submitted], len(_PLAIN) + 1), strict=True)
        bindings = (_binding(*one) for one in held)
        return NodeInterval(
            _str(node),
            _str(boot_id),
            moment(start),
            moment(end),
            _count(duration_us),
            Quality(quality),
            tuple(_entry(*entry) for entry in entries),
            tuple(_activity(*job) for job in zip(*_columns(jobs, 3), bindings, strict=True)),
            _str(reason),
        )

    return _read(text, build)


def baseline_text(baseline: Baseline) -> str:
    """Write a baseline."""
    cpu = baseline.cpu
    return _text([
        VERSION, us(baseline.at.utc), baseline.at.monotonic_ns, baseline.boot_id,
        None if cpu is None else [cpu.busy_ns, cpu.total_ns],
        {device: _last_row(last) for device, last in baseline.counters.items()},
        dict(baseline.job_cpu_ns),
    ])  # fmt: skip


def read_baseline(text: str) -> Baseline:
    """Read a baseline; raise `SpoolDamaged` for anything else."""

    def build(row: list[Any]) -> Baseline:
        utc, monotonic_ns, boot_id, cpu, counters, job_cpu = row
        return Baseline(
            Instant(moment(utc), _int(monotonic_ns)),
            _str(boot_id),
            None if cpu is None else CpuTime(*_counts(cpu, 2)),
            {_str(device): _last(*last) for device, last in _mapping(counters).items()},
            {_str(job): _count(ns) for job, ns in _mapping(job_cpu).items()},
        )

    return _read(text, build)


def lost_time(
    node: str, start_us: int, end_us: int, reason: str = "its record in the spool was damaged"
) -> NodeInterval:
    """Return a time, in µs since 1970, of which nothing is known any more."""
    duration_us = max(0, end_us - start_us)
    return NodeInterval(node, "", moment(start_us), moment(end_us), duration_us, Quality.GAP, (), (), reason)


def _text(row: list[Any]) -> str:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)


def _read(text: str, build: Callable[[list[Any]], T]) -> T:
    try:
        version, *row = json.loads(text)
        return build(row if _int(version) == VERSION else [])
    except (ValueError, TypeError, OverflowError, RecursionError, VispaGreenError) as error:
        raise SpoolDamaged(f"a record cannot be read ({type(error).__name__}: {error})") from error


def _entry_row(entry: EnergyEntry) -> list[Any]:
    shares = entry.jobs
    return [
        entry.component, entry.device, entry.quality, entry.measured_uj, entry.idle_uj, entry.system_uj,
        entry.reason,
        [[s.job_id for s in shares], [s.busy_uj for s in shares], [s.idle_uj for s in shares]],
    ]  # fmt: skip


def _entry(
    component: str,
    device: str,
    quality: str,
    measured_uj: int | None,
    idle_uj: int,
    system_uj: int,
    reason: str,
    shares: list[list[Any]],
) -> EnergyEntry:
    return EnergyEntry(
        Component(component),
        _str(device),
        Quality(quality),
        None if measured_uj is None else _count(measured_uj),
        _count(idle_uj),
        _count(system_uj),
        tuple(JobShare(_str(job), _count(b), _count(i)) for job, b, i in zip(*_columns(shares, 3), strict=True)),
        _str(reason),
    )


def _activity(job_id: str, cpu_ns: int, present_us: int, binding: Binding) -> JobActivity:
    return JobActivity(_str(job_id), _count(cpu_ns), _count(present_us), binding)


def _binding(
    uid: int | None,
    allocated_cpus: int | None,
    gpus: list[int] | None,
    tasks: int | None,
    cpus_per_task: int | None,
    submitted: int | None,
) -> Binding:
    return Binding(
        _maybe(_count, uid),
        _maybe(_count, allocated_cpus),
        None if gpus is None else tuple(_count(gpu) for gpu in gpus),
        _maybe(moment, submitted),
        _maybe(_count, tasks),
        _maybe(_count, cpus_per_task),
    )


def _columns(value: object, how_many: int) -> list[list[Any]]:
    if not isinstance(value, list) or [type(column) for column in value] != [list] * how_many:
        raise TypeError(f"{value!r} are not {how_many} columns")
    return value


def _last_row(last: LastReading) -> list[int]:
    points = (last.good,) if last.odd is None else (last.good, last.odd)
    return [number for point in points for number in (point.value_uj, point.taken_ns)]


def _last(value_uj: int, taken_ns: int, *odd: int) -> LastReading:
    good = Point(_count(value_uj), _int(taken_ns))
    if not odd:
        return LastReading(good)
    odd_uj, odd_ns = odd
    return LastReading(good, Point(_count(odd_uj), _int(odd_ns)))


def us(at: datetime) -> int:
    """Return µs since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def moment(value: object) -> datetime:
    """Return the moment so many µs after 1970."""
    return _EPOCH + timedelta(microseconds=_int(value))


def _maybe(check: Callable[[Any], T], value: object) -> T | None:
    return None if value is None else check(value)


def _int(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _count(value: object) -> int:
    number = _int(value)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number


def _counts(values: object, how_many: int) -> list[int]:
    if not isinstance(values, list) or len(values) != how_many:
        raise TypeError(f"{values!r} are not {how_many} numbers")
    return [_count(value) for value in values]


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no table")
    return value
