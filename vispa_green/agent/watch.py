"""Keeps an eye on the jobs of a node between two readings, so that a short one is not missed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from vispa_green.energy.accounting import SeenJob
from vispa_green.model import Binding, JobId, Tracker
from vispa_green.model.node import UNBOUND

BindingSource = Callable[[JobId], Binding]
"""Says what is known by now of a job's hold on this node. It never waits: it is asked at every look."""

YOUNG_NS = 10_000_000_000
"""Of a job that started so short a time ago it matters when within an interval it ran."""

RETRY_BINDING_NS = 2_000_000_000
BINDING_TRIES = 5


@dataclass(slots=True)
class _Watched:
    cpu_ns: int
    measured_ns: int
    first_seen_ns: int
    last_seen_ns: int
    told: Binding = UNBOUND
    """What Slurm says, whenever it does; it goes before what the job's own processes say."""
    own: Binding = UNBOUND
    tries: int = 0
    asked_ns: int = 0
    ended_ns: int | None = None
    binding: Binding = UNBOUND
    """The two together."""


class JobWatch:
    """The jobs seen since the last reading, those that have ended meanwhile included."""

    def __init__(self, trackers: Sequence[Tracker], bindings: Sequence[BindingSource] = ()) -> None:
        self._trackers = list(trackers)
        self._bindings = bindings
        self._tracker: Tracker | None = None
        self._jobs: dict[JobId, _Watched] = {}
        self._present: set[JobId] = set()
        self._listed: Collection[JobId] = ()
        self._unbound: set[JobId] = set()
        self._looked_ns = 0
        self._latest_start_ns: int | None = None

    def look(self, monotonic_ns: int) -> bool:
        """See which jobs are here now; return whether one has appeared or ended since the last look."""
        listed = self._find()
        present = self._present if listed is self._listed else set(listed)
        self._listed, changed = listed, present != self._present
        if changed:
            for job_id in present - self._present:
                self._appear(job_id, monotonic_ns)
            for job_id in self._present - present:
                job = self._jobs[job_id]
                job.last_seen_ns, job.ended_ns = self._looked_ns, monotonic_ns
            self._present, self._unbound = present, self._unbound & present
        self._looked_ns = monotonic_ns
        if self._unbound:
            self._unbound = {job_id for job_id in self._unbound if not self._bind(job_id, monotonic_ns)}
        return changed

    def places(self) -> Collection[str]:
        """Return the directories in which jobs come and go."""
        if self._tracker is not None:
            return self._tracker.places()
        return tuple(place for tracker in self._trackers for place in tracker.places())

    def has_young(self, monotonic_ns: int) -> bool:
        """Tell whether there may be a short job: one started a short time ago."""
        return self._latest_start_ns is not None and monotonic_ns - self._latest_start_ns < YOUNG_NS

    def measure(self, monotonic_ns: int) -> None:
        """Read the CPU time of the jobs of the last look, and of those that ended since it was read last."""
        for job_id, cpu_ns in (self._tracker.usage() if self._tracker else {}).items():
            job = self._jobs.get(job_id)
            if job is None:
                continue
            # A job's CPU time only grows, but a tree of processes may be caught half reaped.
            used_ns = max(0, cpu_ns - job.cpu_ns)
            if job.ended_ns is not None and job.binding.allocated_cpus is not None:
                # Its last seconds are a remainder, in which jobs that nobody saw may be, too.
                used_ns = min(used_ns, job.binding.allocated_cpus * (monotonic_ns - job.measured_ns))
            job.cpu_ns, job.measured_ns = job.cpu_ns + used_ns, monotonic_ns

    def seen(self) -> tuple[SeenJob, ...]:
        """Return every job seen since `forget_ended`."""
        return tuple(
            SeenJob(
                job_id,
                job.cpu_ns,
                job.binding,
                job.first_seen_ns,
                self._looked_ns if job.ended_ns is None else job.last_seen_ns,
            )
            for job_id, job in self._jobs.items()
        )

    def forget_ended(self, closed_ns: int) -> None:
        """Drop the jobs that were seen to have ended by then: the interval closed at that moment has them."""
        self._jobs = {
            job_id: job for job_id, job in self._jobs.items() if job.ended_ns is None or job.ended_ns > closed_ns
        }

    def _find(self) -> Collection[JobId]:
        for tracker in self._trackers:
            if present := tracker.present():
                # One way works here. The ones after it, weaker and dearer, are not needed any more.
                del self._trackers[self._trackers.index(tracker) + 1 :]
                self._tracker = tracker
                return present
        return ()

    def _appear(self, job_id: JobId, monotonic_ns: int) -> None:
        if job_id in self._jobs:  # it had gone, and the interval that has its end is not kept yet
            self._jobs[job_id].ended_ns = None
        else:
            self._jobs[job_id] = _Watched(0, monotonic_ns, monotonic_ns, monotonic_ns)
        self._unbound.add(job_id)
        self._latest_start_ns = monotonic_ns

    def _bind(self, job_id: JobId, monotonic_ns: int) -> bool:
        """Fill in what is known by now of a job's hold; return whether there is nothing more to ask."""
        job = self._jobs[job_id]
        for source in self._bindings:
            job.told = job.told.or_else(source(job_id))
        job.binding = job.told.or_else(job.own)
        if _is_complete(job.told):
            return True
        given_up = job.tries >= BINDING_TRIES or _is_complete(job.own)
        waiting = job.tries > 0 and monotonic_ns - job.asked_ns < RETRY_BINDING_NS
        if self._tracker is not None and not given_up and not waiting:
            job.tries, job.asked_ns = job.tries + 1, monotonic_ns
            job.own = job.own.or_else(self._tracker.binding(job_id))
            job.binding = job.told.or_else(job.own)
        return given_up and not self._bindings


def _is_complete(binding: Binding) -> bool:
    return binding.gpus is not None and binding.allocated_cpus is not None
