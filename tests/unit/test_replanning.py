"""A waiting job is moved to a better start only, never past its promise, and not back and forth."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.answers.queue import QueueSeen
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import NotCovered
from vispa_green.model import GridKind, GridValue, Move, Promise, Quantity, QueueEntry, Signal
from vispa_green.policies import POLICIES
from vispa_green.policies.best_mean import BestMean
from vispa_green.policies.capped_delay import CAP, CappedDelay
from vispa_green.shifting.outlook import CpuClaim, QueueOutlook, outlook
from vispa_green.shifting.promises import PAUSING
from vispa_green.shifting.replanning import MIN_GAIN, MIN_SHIFT, ROUNDING, Decision, Held, LeftAlone, decide, held

T0 = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CO2 = Quantity.CARBON_INTENSITY
PROMISE = Promise("7", "ada", T0 - HOUR, T0 + 2 * HOUR, HOUR, T0 + 9 * HOUR, CO2, 100, 400, "best_mean", "greenest")
ENTRY = QueueEntry("7", "7", "ada", "PENDING", "BeginTime", T0 + 2 * HOUR, 4, HOUR)


def grid(*hourly: float | None, quantity: Quantity = CO2) -> dict[Quantity, Signal]:
    values = [
        GridValue(quantity, GridKind.FORECAST, T0 + i * HOUR, T0 + (i + 1) * HOUR, number, "x", T0, T0)
        for i, number in enumerate(hourly)
        if number is not None
    ]
    return {quantity: GridSignal.from_values(values, quantity)}


def waiting(begin_h: float = 2, finish_h: float = 9, length: timedelta = HOUR, cpus: int = 4) -> Held:
    return Held(PROMISE, T0 + finish_h * HOUR, T0 + begin_h * HOUR, length, cpus)


def mean(signal: Signal, start: datetime, length: timedelta) -> float | None:
    try:
        return signal.mean(start, start + length)
    except NotCovered:
        return None


@st.composite
def signals(draw: st.DrawFn, least: int = 0, most: int = 2) -> dict[Quantity, Signal]:
    known: dict[Quantity, Signal] = {}
    for quantity in draw(st.sets(st.sampled_from(Quantity), min_size=least, max_size=most)):
        numbers = draw(st.lists(st.none() | st.integers(0, 800).map(float), max_size=14))
        known |= grid(*numbers, quantity=quantity)
    return known


OUTLOOKS = st.none() | st.builds(
    lambda running, held, reserve: outlook(T0, 16, running, (), held, reserve),
    st.lists(st.builds(CpuClaim, st.integers(1, 8), st.integers(600, 20_000)), max_size=2),
    st.lists(st.builds(CpuClaim, st.integers(1, 8), st.integers(600, 9000), st.integers(0, 20_000)), max_size=3),
    st.integers(0, 8),
)
JOBS = st.builds(
    lambda begin, slack, length, cpus: replace(
        waiting(cpus=cpus),
        begin=T0 + begin * MINUTE,
        length=length * MINUTE,
        finish_by=T0 + (begin + slack + length) * MINUTE,
    ),
    st.integers(1, 700),
    st.integers(-120, 300),
    st.integers(1, 300),
    st.integers(1, 16),
)
IN_TIME = JOBS.map(lambda job: replace(job, finish_by=max(job.finish_by, job.begin + job.length)))
ALL_POLICIES = pytest.mark.parametrize("policy", POLICIES.names())


def decided(job: Held, known: dict[Quantity, Signal], policy: str, ahead: QueueOutlook | None) -> Decision:
    return decide(job, T0, known, POLICIES.make(policy, None, {}), ahead)


@ALL_POLICIES
@given(job=JOBS, known=signals(), ahead=OUTLOOKS)
def test_it_is_done_as_promised_or_starts_at_once(
    policy: str, job: Held, known: dict[Quantity, Signal], ahead: QueueOutlook | None
) -> None:
    start = decided(job, known, policy, ahead).start
    if start is None:
        assert job.begin + job.length <= job.finish_by + ROUNDING
    else:
        assert start >= T0
        assert start == T0 or start + job.length <= job.finish_by


@ALL_POLICIES
@given(job=IN_TIME, known=signals(), ahead=OUTLOOKS)
def test_it_moves_to_a_better_start_only(
    policy: str, job: Held, known: dict[Quantity, Signal], ahead: QueueOutlook | None
) -> None:
    made = decided(job, known, policy, ahead)
    if made.start is None:
        return
    signal = known[made.quantity]
    before, after = mean(signal, job.begin, job.length), mean(signal, made.start, job.length)
    assert before is not None
    assert after is not None
    assert (made.mean_before, made.mean_after) == (before, after)
    gain = before - after if made.quantity.lower_is_greener else after - before
    assert abs(made.start - job.begin) >= MIN_SHIFT
    if made.start > job.begin:
        assert gain > 0
        assert gain >= MIN_GAIN * before
    else:
        assert gain >= -1e-9 * max(1, before)


@ALL_POLICIES
@given(job=JOBS, known=signals(), ahead=OUTLOOKS)
def test_with_one_forecast_it_comes_to_rest(
    policy: str, job: Held, known: dict[Quantity, Signal], ahead: QueueOutlook | None
) -> None:
    """One look does, but for a second where its new start is known by grams too, or its old one was too late."""
    looks = max(1, len(known)) + (job.begin > job.latest)
    for _ in range(looks):
        start = decided(job, known, policy, ahead).start
        job = job if start is None else replace(job, begin=start)
    if job.begin > T0:
        assert decided(job, known, policy, ahead).start is None


@given(job=IN_TIME, known=signals(least=1, most=1), percent=st.integers(0, 99))
def test_time_that_passes_is_no_reason_to_move(job: Held, known: dict[Quantity, Signal], percent: int) -> None:
    start = decide(job, T0, known, BestMean()).start
    moved = job if start is None else replace(job, begin=start)
    if moved.begin > T0:
        later = T0 + (moved.begin - T0) * percent / 100
        assert decide(moved, later, known, BestMean()).start is None


@ALL_POLICIES
@given(job=IN_TIME, ahead=OUTLOOKS)
def test_where_nothing_is_known_nothing_moves(policy: str, job: Held, ahead: QueueOutlook | None) -> None:
    for known in ({}, grid(), grid(*[None] * 3, 5.0, quantity=Quantity.RENEWABLE_SHARE)):
        made = decided(replace(job, begin=T0 + 5 * HOUR, finish_by=T0 + 30 * HOUR), known, policy, ahead)
        assert made.start is None


def test_it_follows_a_forecast_that_changed_in_either_direction() -> None:
    job, best = waiting(), BestMean()
    assert decide(job, T0, grid(400, 300, 100, 200, 200), best).start is None
    assert decide(job, T0, grid(400, 300, 200, 200, 100), best).start == T0 + 4 * HOUR
    assert decide(job, T0, grid(100, 300, 200, 200, 200), best).start == T0
    assert decide(job, T0, grid(400, 300, 200, 200, 199), best).start is None, "half a percent"
    assert decide(job, T0, grid(400, 200, 200, 200, 200), best).start == T0 + HOUR, "as green, and earlier"
    assert decide(waiting(finish_h=4), T0, grid(400, 300, 200, 200, 100), best).start is None, "past its promise"


def test_a_start_that_breaks_the_promise_is_brought_forward() -> None:
    """Its time limit was raised to three hours: the greenest hour is too late now, whatever is known."""
    job, best = waiting(begin_h=8, finish_h=9, length=3 * HOUR), BestMean()
    assert decide(job, T0, grid(4, 4, 3, 3, 3, 4, 5, 5, 1), best).start == T0 + 2 * HOUR
    assert decide(job, T0, {}, best).start == T0 + 6 * HOUR
    assert decide(replace(job, length=10 * HOUR), T0, {}, best).start == T0


def test_only_a_raised_limit_counts() -> None:
    for limit, length in ((HOUR, HOUR), (2 * HOUR, 2 * HOUR), (30 * MINUTE, HOUR), (None, HOUR)):
        found = held(PROMISE, (), [replace(ENTRY, time_limit=limit)], T0)
        assert isinstance(found, Held)
        assert found.length == length
    seconds = replace(PROMISE, duration=timedelta(seconds=30))
    found = held(seconds, (), [replace(ENTRY, time_limit=MINUTE)], T0)
    assert isinstance(found, Held)
    assert found.length == timedelta(seconds=30), "Slurm rounds up"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"begin": T0 + 3 * HOUR}, "somebody changed it"),
        ({"begin": T0 + 2 * HOUR + ROUNDING + timedelta(seconds=1)}, "somebody changed it"),
        ({"begin": T0 + 2 * HOUR - timedelta(seconds=2)}, "somebody changed it"),
        ({"begin": T0 - MINUTE}, "its time has come"),
        ({"begin": None}, "waits for something else"),
        ({"state": "RUNNING"}, "it has started or ended"),
        ({"state": "CANCELLED"}, "it has started or ended"),
        ({"reason": "JobHeldUser"}, "JobHeldUser"),
        ({"reason": "JobHeldAdmin"}, "JobHeldAdmin"),
        ({"user": "bob"}, "not in the queue"),
    ],
)
def test_what_others_decided_wins(entry: dict[str, object], why: str) -> None:
    found = held(PROMISE, (), [replace(ENTRY, **entry)], T0)  # type: ignore[arg-type]
    assert isinstance(found, LeftAlone)
    assert why in found.reason


def test_our_own_moves_are_ours_and_those_of_an_earlier_job_are_not() -> None:
    move = Move("7", PROMISE.submitted, T0, "ada", T0, T0 + 5 * HOUR, CO2, 9, 8, "greener")
    there = replace(ENTRY, begin=T0 + 5 * HOUR + timedelta(seconds=1))
    assert isinstance(held(PROMISE, (move,), [there], T0), Held)
    assert isinstance(held(PROMISE, (), [there], T0), LeftAlone)
    assert isinstance(held(PROMISE, (replace(move, submitted=T0 - 99 * HOUR),), [there], T0), LeftAlone)
    assert isinstance(held(replace(PROMISE, policy=PAUSING), (move,), [there], T0), LeftAlone)
    assert isinstance(held(PROMISE, (), [], T0), LeftAlone)


def test_an_array_counts_a_task_and_a_het_job_the_sum() -> None:
    tasks = [replace(ENTRY, display_id="7_1"), replace(ENTRY, job_id="9", display_id="7_3")]
    parts = [replace(ENTRY, display_id="7+0"), replace(ENTRY, job_id="8", display_id="7+1", cpus=2)]
    found = [held(PROMISE, (), entries, T0) for entries in (tasks, parts)]
    assert [one.cpus for one in found if isinstance(one, Held)] == [4, 6]
    for change in ({"begin": T0 + HOUR}, {"state": "COMPLETED"}):
        entries = [tasks[0], replace(tasks[1], **change)]
        assert isinstance(held(PROMISE, (), entries, T0), LeftAlone)


def test_a_cap_on_the_wait_counts_from_the_submission() -> None:
    """Else each new plan would allow six hours more."""
    falling = grid(*(float(number) for number in range(800, 0, -20)))
    job = waiting(begin_h=4, finish_h=30)
    start = decide(job, T0, falling, CappedDelay()).start
    assert start == PROMISE.submitted + CAP
    assert decide(replace(job, begin=start), T0 + 3 * HOUR, falling, CappedDelay()).start is None


def test_a_job_is_not_in_its_own_way_but_one_that_was_moved_is() -> None:
    """A machine of 8 CPUs, two green hours: the second job to be moved finds the first hour taken."""
    jobs = tuple(replace(ENTRY, job_id=job_id, cpus=8, begin=T0 + 6 * HOUR) for job_id in ("7", "8"))
    seen = QueueSeen(8, jobs)
    for ahead in (seen.ahead(T0, ["7"]), seen.after(["8"], T0 + HOUR).ahead(T0, ["7"])):
        assert ahead.crowding(8, T0 + 3 * HOUR, T0 + 4 * HOUR) == 0
    assert seen.ahead(T0, ["7"]).crowding(8, T0 + 6 * HOUR, T0 + 7 * HOUR) > 0.8
    moved = seen.after(["8"], T0 + HOUR).ahead(T0, ["7"])
    assert moved.crowding(8, T0 + 6 * HOUR, T0 + 7 * HOUR) == 0
    assert moved.crowding(8, T0 + HOUR, T0 + 2 * HOUR) > 0.8
