"""Keeps an eye on the jobs of a node between two readings, so that a short one is not missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vispa_green.energy.accounting import SeenJob
from vispa_green.model import Binding, JobId, Tracker

BindingSource = Callable[[JobId], Binding]
"""Something that knows what of this node a job holds; asked before the tracker itself."""

RETRY_BINDING_NS = 2_000_000_000
BINDING_TRIES = 5


@dataclass(slots=True)
class _Watched:
    cpu_ns: int
    first_seen_ns: int
    last_seen_ns: int
    binding: Binding = field(default_factory=Binding)
    tries: int = 0
    asked_ns: int = 0
    ended: bool = False


class JobWatch:
    """The jobs seen since the last reading, those that have ended meanwhile included."""

    def __init__(self, trackers: Sequence[Tracker], bindings: Sequence[BindingSource] = ()) -> None:
        self._trackers = list(trackers)
        self._bindings = bindings
        self._jobs: dict[JobId, _Watched] = {}

    def scan(self, monotonic_ns: int) -> bool:
        """Look at the jobs now; return whether one has appeared or ended since the last look."""
        tracker, usage = self._look()
        before = {job_id for job_id, job in self._jobs.items() if not job.ended}
        for job_id, cpu_ns in usage.items():
            job = self._jobs.get(job_id)
            if job is None:
                job = self._jobs[job_id] = _Watched(cpu_ns, monotonic_ns, monotonic_ns)
            # A job's CPU time only grows, but a tree of processes may be caught half reaped.
            job.cpu_ns, job.last_seen_ns, job.ended = max(job.cpu_ns, cpu_ns), monotonic_ns, False
            self._bind(tracker, job_id, job, monotonic_ns)
        for job_id in before - set(usage):
            self._jobs[job_id].ended = True
        return before != set(usage)

    def seen(self) -> tuple[SeenJob, ...]:
        """Return every job seen since `forget_ended`."""
        return tuple(
            SeenJob(job_id, job.cpu_ns, job.binding, job.first_seen_ns, job.last_seen_ns)
            for job_id, job in self._jobs.items()
        )

    def forget_ended(self, closed_ns: int) -> None:
        """Drop the jobs that ended by then: the interval closed at that moment has them."""
        self._jobs = {
            job_id: job for job_id, job in self._jobs.items() if not job.ended or job.last_seen_ns > closed_ns
        }

    def _look(self) -> tuple[Tracker | None, Mapping[JobId, int]]:
        for tracker in self._trackers:
            if usage := tracker.jobs():
                # One way works here. The ones after it, weaker and dearer, are not needed any more.
                del self._trackers[self._trackers.index(tracker) + 1 :]
                return tracker, usage
        return None, {}

    def _bind(self, tracker: Tracker | None, job_id: JobId, job: _Watched, monotonic_ns: int) -> None:
        known = job.binding.gpus is not None and job.binding.allocated_cpus is not None
        waiting = job.tries > 0 and monotonic_ns - job.asked_ns < RETRY_BINDING_NS
        if known or waiting or job.tries >= BINDING_TRIES:
            return
        job.tries, job.asked_ns = job.tries + 1, monotonic_ns
        for source in (*self._bindings, *([tracker.binding] if tracker else [])):
            job.binding = job.binding.or_else(source(job_id))
