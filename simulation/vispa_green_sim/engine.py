"""The simulator: a workload through a scheduler on SimPy; two events per job, one pass per instant.

Rules that keep it exact and fast: time is whole seconds, so ties are ties; at one instant come first
completions, then submissions, then releases of held jobs, then ONE scheduling pass; jobs are indices
into columns and no job has a process of its own; nothing is sampled, sums are made after the run.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simpy import Environment
from simpy.events import NORMAL, Event, EventPriority

from vispa_green_sim.errors import GateError, MachineError, SimulationError
from vispa_green_sim.gate import Gate, QueueView
from vispa_green_sim.machine import Machine
from vispa_green_sim.result import Run
from vispa_green_sim.scheduling import SCHEDULERS, Setup
from vispa_green_sim.sleep import Sleep, StateLog, Timer
from vispa_green_sim.workload import Workload

SUBMISSION, RELEASE, PASS = EventPriority(2), EventPriority(3), EventPriority(4)
"""After SimPy's ``NORMAL`` = 1, at which jobs complete and idle nodes fall asleep."""

Progress = Callable[[int, int], None]
"""``progress(completed jobs, all jobs)``, called about a hundred times."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may be changed about a run from outside, all off by default."""

    gate: Gate | None = None
    asked: Sequence[bool] | None = None
    """Whose jobs the gate is asked about; ``None``: everybody's."""
    sleep: Sleep | None = None
    """When idle nodes are switched off; ``None``: never."""
    place: Sequence[int] | None = None
    """A key for each job that orders the queue, no two alike; ``None``: by submission."""
    pace: Callable[[int, int], int] | None = None
    """``pace(job, start_s)``: how many seconds the job runs if started then (frequency and power caps)."""
    options: object = None
    """Settings of the scheduler's own."""


NONE = Conditions()


def simulate(
    workload: Workload,
    machine: Machine,
    scheduler: str = "easy",
    conditions: Conditions = NONE,
    progress: Progress | None = None,
) -> Run:
    """Run the workload to its end and return what happened.

    Raise `MachineError` for a job that never fits, `UnknownPlugin` for a scheduler that is not there,
    `GateError` for a gate whose answer is no time, `SimulationError` if a job is never started.
    """
    _check(workload, machine)
    engine = _Engine(workload, machine, scheduler, conditions, progress)
    with _without_cycle_search():
        engine.run()
    return Run(
        workload, machine, scheduler, engine.starts, engine.ends, engine.released, conditions.sleep, engine.log
    )


class _Moment(Event):
    """Something to do after a delay; lighter than a Timeout with a callback, and with a priority."""

    def __init__(
        self, env: Environment, priority: EventPriority, delay: int, do: Callable[[Any], None], job: int = -1
    ) -> None:
        self.env = env
        self.callbacks = [do]
        self.job = job
        self._value = None
        self._ok = True
        env.schedule(self, priority, delay)


class _Engine:
    """One run. Private: `simulate` is the way in."""

    __slots__ = (
        "_asked",
        "_complete",
        "_env",
        "_gate",
        "_held",
        "_is_pass_due",
        "_left",
        "_next",
        "_pace",
        "_progress",
        "_scheduler",
        "_view",
        "_wanted",
        "_workload",
        "ends",
        "released",
        "starts",
    )

    def __init__(
        self, workload: Workload, machine: Machine, scheduler: str, conditions: Conditions, progress: Progress | None
    ) -> None:
        jobs = len(workload)
        first = workload.submit_s[0] if jobs else 0
        self._env = Environment(first)
        self._workload = workload
        self._gate, self._asked, self._pace = conditions.gate, conditions.asked, conditions.pace
        timer = Timer(first, self._after)
        setup = Setup(workload, machine, self._start, timer, conditions.sleep, conditions.place, conditions.options)
        self._scheduler = SCHEDULERS.load(scheduler)(setup)
        self._complete = self._scheduler.complete
        self.starts = array("q", bytes(8 * jobs))
        self.ends = array("q", bytes(8 * jobs))
        holds = self._gate is not None or len(workload.eligible_s) > 0
        self.released = array("q", workload.submit_s) if holds else None
        self._held: set[int] = set()
        self._view = QueueView(workload, self._scheduler, machine.processors, self._held)
        self._next, self._left = 0, jobs
        self._is_pass_due = False
        self._wanted: int | None = None
        self._progress = progress

    @property
    def log(self) -> StateLog | None:
        """The states of nodes over time, if any slept."""
        return self._scheduler.log

    def run(self) -> None:
        """Play the workload."""
        if self._left:
            _Moment(self._env, SUBMISSION, 0, self._submit)
            self._env.run()
        if self._left:
            raise SimulationError(
                f"{self._left} of {len(self._workload)} jobs never ran although all else had ended; "
                "does a job ask for more than any node of its partition has?"
            )

    def _after(self, delay: int, do: Callable[[Event], None]) -> None:
        _Moment(self._env, NORMAL, delay, do)

    def _submit(self, _: Event) -> None:
        """Take in all jobs of this instant and wait for those of the next."""
        submit, now, job = self._workload.submit_s, int(self._env.now), self._next
        jobs = len(submit)
        plain = self.released is None
        while job < jobs and submit[job] == now:
            if plain:
                self._scheduler.enqueue(job)
            else:
                self._consider(job, now)
            job += 1
        self._next = job
        if job < jobs:
            _Moment(self._env, SUBMISSION, submit[job] - now, self._submit)
        self._request_pass()

    def _consider(self, job: int, now: int) -> None:
        """Let a job into the queue, or hold it until it is eligible and its gate agrees."""
        eligible = self._workload.eligible_s
        opens = eligible[job] if len(eligible) else now
        self._held.add(job)
        if opens <= now and self._gate is not None and (self._asked is None or self._asked[job]):
            opens = self._gate.ask(job, now, self._view)
            if not isinstance(opens, int):
                raise GateError(
                    f"the gate said {opens!r} of job {self._workload.job_id[job]}; whole seconds are wanted"
                )
        if opens > now:
            _Moment(self._env, RELEASE, opens - now, self._release, job)
            return
        self._held.discard(job)
        if self.released is not None:
            self.released[job] = now
        self._scheduler.enqueue(job)

    def _release(self, event: _Moment) -> None:
        self._consider(event.job, int(self._env.now))
        self._request_pass()

    def _start(self, job: int, delay: int) -> None:
        """Let a job run after ``delay``, the time for which its nodes wake up."""
        start = int(self._env.now) + delay
        run = self._workload.run_s[job] if self._pace is None else self._pace(job, start)
        self.starts[job] = start
        self.ends[job] = start + run
        _Moment(self._env, NORMAL, delay + run, self._finish, job)

    def _finish(self, event: _Moment) -> None:
        job = event.job
        self._complete(job, int(self._env.now))
        self._left -= 1
        if self._progress is not None:
            self._report()
        if not self._is_pass_due:
            self._request_pass()

    def _request_pass(self) -> None:
        """Make the pass of this instant: at once if nothing else happens in it, else after all that does."""
        if self._is_pass_due:
            return
        now = self._env.now
        if self._env.peek() > now:  # most instants have one event; another one for the pass would cost a third
            self._make_pass(int(now))
        else:
            self._is_pass_due = True
            _Moment(self._env, PASS, 0, self._pass)

    def _pass(self, _: Event) -> None:
        self._is_pass_due = False
        self._make_pass(int(self._env.now))

    def _make_pass(self, now: int) -> None:
        wanted = self._scheduler.start_jobs(now)
        if wanted is not None and (self._wanted is None or not now < self._wanted <= wanted):
            self._wanted = wanted
            _Moment(self._env, RELEASE, max(1, wanted - now), self._wish)

    def _wish(self, _: Event) -> None:
        self._request_pass()

    def _report(self) -> None:
        jobs = len(self._workload)
        if self._progress is not None and (jobs - self._left) % max(1, jobs // 100) == 0:
            self._progress(jobs - self._left, jobs)


def _check(workload: Workload, machine: Machine) -> None:
    if len(workload) and (widest := max(workload.processors)) > machine.processors:
        job = workload.processors.index(widest)
        raise MachineError(
            f"job {workload.job_id[job]} wants {widest} processors, the machine has {machine.processors}; "
            "give its true size, or cut such jobs with Workload.clamped"
        )


@contextmanager
def _without_cycle_search() -> Iterator[None]:
    """Events die by reference count; looking for cycles among millions of live columns costs a third."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
