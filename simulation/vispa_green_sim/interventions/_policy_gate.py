"""A production policy at the engine's gate: seconds to dates, the queue view to an outlook, answers to times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from vispa_green.model import JobRequest, Policy
from vispa_green.shifting.outlook import CpuClaim, QueueOutlook, outlook
from vispa_green_sim.forecasts import Forecasts
from vispa_green_sim.gate import QueueView
from vispa_green_sim.workload import Workload

AGAIN_S = 900
"""A policy that looks at the queue is asked again after half the time left, and at least this."""

RESERVE = 0.3
"""The part of the machine that moved work leaves to the work of others, if all work were theirs.

The share of work that takes part, learned from the past, lessens it: where everybody takes part there is
nobody to protect.
"""

_SECOND = timedelta(seconds=1)


class PolicyGate:
    """Asks a policy about each job: once if it only reads the forecast, again and again if it looks at the queue."""

    def __init__(
        self, policy: Policy, forecasts: Forecasts, slack_s: int, workload: Workload, asked: Sequence[bool]
    ) -> None:
        """Hold jobs for at most ``slack_s`` from the first time they are asked about."""
        self._policy, self._forecasts, self._slack_s = policy, forecasts, slack_s
        self._looks = policy.looks_at_queue
        self._processors, self._request_s = workload.processors, workload.request_s
        self._latest_s: dict[int, int] = {}
        self.planned_s: dict[int, int] = {}
        """Held jobs and the start that is planned for them now."""
        self._reserve = _Reserve(workload, asked) if self._looks else None

    def ask(self, job: int, now: int, view: QueueView) -> int:
        """Return when the job may enter the queue, or when to ask again."""
        before = self.planned_s.get(job)
        if before is None:
            self._latest_s[job] = now + self._slack_s
        elif not self._looks and now >= before:
            return self._let_in(job, now)
        window_s = self._planned(job, now, view, is_held=before is not None)
        if window_s <= now:
            return self._let_in(job, now)
        self.planned_s[job] = window_s
        return min(window_s, now + max(AGAIN_S, (window_s - now) // 2)) if self._looks else window_s

    def _planned(self, job: int, now: int, view: QueueView, *, is_held: bool) -> int:
        """Return the second at which the policy would start the job."""
        moment = self._forecasts.clock.moment(now)
        duration = self._request_s[job] * _SECOND
        finish_by = moment + (self._latest_s[job] - now) * _SECOND + duration
        request = JobRequest(duration, moment, finish_by, self._processors[job], is_held)
        seen = None if self._reserve is None else _Seen(self, job, now, view, self._reserve.cpus(now, view.total))
        window = self._policy.choose(request, self._forecasts.issued(now), seen)
        return now - ((moment - window.start) // _SECOND)  # rounded up: never before the window

    def _let_in(self, job: int, now: int) -> int:
        self.planned_s.pop(job, None)
        del self._latest_s[job]
        return now

    def outlook(self, job: int, now: int, view: QueueView, reserve_cpus: int) -> QueueOutlook:
        """Return the machine ahead as production would know it: by time limits, without the job itself."""
        processors, request = self._processors, self._request_s
        running = [
            CpuClaim.of_limit(processors[other], request[other], now - (end - request[other]))
            for end, other in view.running
        ]
        waiting = [CpuClaim.of_limit(processors[other], request[other]) for other in view.waiting]
        held = [
            CpuClaim.of_limit(processors[other], request[other], start_s=max(0, planned - now))
            for other, planned in self.planned_s.items()
            if other != job
        ]
        return outlook(self._forecasts.clock.moment(now), view.total, running, waiting, held, reserve_cpus)


class _Seen:
    """An outlook that is made when it is first looked at; most jobs are too small for that."""

    __slots__ = ("_gate", "_job", "_made", "_now", "_view", "cpus", "reserve_cpus", "waiting")

    def __init__(self, gate: PolicyGate, job: int, now: int, view: QueueView, reserve_cpus: int) -> None:
        self._gate, self._job, self._now, self._view = gate, job, now, view
        self.cpus, self.waiting, self.reserve_cpus = view.total, len(view.waiting), reserve_cpus
        self._made: QueueOutlook | None = None

    def earliest(self, cpus: int, duration: timedelta) -> datetime:
        return self._whole().earliest(cpus, duration)

    def crowding(self, cpus: int, start: datetime, end: datetime) -> float:
        return self._whole().crowding(cpus, start, end)

    def _whole(self) -> QueueOutlook:
        if self._made is None:
            self._made = self._gate.outlook(self._job, self._now, self._view, self.reserve_cpus)
        return self._made


class _Reserve:
    """How much of the machine to leave to others, from the requested work of all jobs submitted so far."""

    def __init__(self, workload: Workload, asked: Sequence[bool]) -> None:
        work = [
            processors * request for processors, request in zip(workload.processors, workload.request_s, strict=True)
        ]
        self._submit_s = workload.submit_s
        self._all = [0, *accumulate(work)]
        self._asked = [0, *accumulate(one if green else 0 for one, green in zip(work, asked, strict=True))]

    def cpus(self, now: int, total: int) -> int:
        known = bisect_right(self._submit_s, now)
        others = 1 - self._asked[known] / self._all[known] if self._all[known] else 1.0
        return round(RESERVE * others * total)
