"""Schedulers written again, as plainly as their definitions read: every second job is looked at in every list.

Nothing is shared with the engine. A state is a list of running ``[job, start, predicted end, end]``.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Job:
    submit: int
    run: int
    request: int
    width: int


@dataclass
class Reference:
    jobs: list[Job]
    size: int
    scheduler: str
    start: dict[int, int] = field(default_factory=dict)
    planned: dict[int, int] = field(default_factory=dict)
    first_promise: dict[int, int] = field(default_factory=dict)

    def play(self) -> list[int]:
        moments = {job.submit for job in self.jobs}
        while moments:
            now = min(moments)
            moments.discard(now)
            before = set(self.start)
            self._one_pass(now)
            moments |= {now + self.jobs[j].run for j in self.start if j not in before}
        return [self.start[j] for j in range(len(self.jobs))]

    def _running(self, now: int) -> list[int]:
        return [j for j, s in self.start.items() if s + self.jobs[j].run > now]

    def _free(self, now: int) -> int:
        return self.size - sum(self.jobs[j].width for j in self._running(now))

    def _waiting(self, now: int) -> list[int]:
        return [j for j, job in enumerate(self.jobs) if job.submit <= now and j not in self.start]

    def _one_pass(self, now: int) -> None:
        {"fcfs": self._fcfs, "easy": self._easy, "conservative": self._conservative}[self.scheduler](now)

    def _fcfs(self, now: int) -> None:
        for j in self._waiting(now):
            if self.jobs[j].width > self._free(now):
                return
            self.start[j] = now

    def _easy(self, now: int) -> None:
        self._fcfs(now)
        if not self._waiting(now):
            return
        head, *others = self._waiting(now)
        ends = sorted({max(now, self.start[j] + self.jobs[j].request) for j in self._running(now)})
        shadow = next(t for t in ends if self._free_at(t, now) >= self.jobs[head].width)
        self.first_promise.setdefault(head, shadow)
        extra = self._free_at(shadow, now) - self.jobs[head].width
        for j in others:
            job = self.jobs[j]
            if job.width > self._free(now):
                continue
            if now + job.request <= shadow:
                self.start[j] = now
            elif job.width <= extra:
                extra -= job.width
                self.start[j] = now

    def _free_at(self, moment: int, now: int) -> int:
        """Free processors at a later moment by requested ends."""
        held = [j for j in self._running(now) if self.start[j] + self.jobs[j].request > moment]
        return self.size - sum(self.jobs[j].width for j in held)

    def _conservative(self, now: int) -> None:
        some_ended = any(s + self.jobs[j].run == now for j, s in self.start.items())
        for j in self._waiting(now):
            if j in self.planned and some_ended:
                del self.planned[j]
                self.planned[j] = self._earliest(j, now)
        for j in self._waiting(now):
            if j not in self.planned:
                self.planned[j] = self._earliest(j, now)
                self.first_promise[j] = self.planned[j]
        for j in self._waiting(now):
            if self.planned[j] == now:
                self.start[j] = now
                del self.planned[j]

    def _earliest(self, j: int, now: int) -> int:
        spans = [(self.start[i], self.start[i] + self.jobs[i].request, i) for i in self._running(now)]
        spans += [(s, s + self.jobs[i].request, i) for i, s in self.planned.items()]
        job = self.jobs[j]
        for begin in sorted({now, *(end for _, end, _ in spans if end > now)}):
            instants = {begin, *(s for s, _, _ in spans if begin < s < begin + job.request)}
            taken = [sum(self.jobs[i].width for s, e, i in spans if s <= t < e) for t in instants]
            if max(taken) + job.width <= self.size:
                return begin
        raise AssertionError("a job that fits the empty machine fits at the end of everything")
