"""Laws of every policy: a new file in vispa_green/policies is tested here with no edit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.standing_in import tables_of
from vispa_green.energy.carbon import GridSignal
from vispa_green.errors import NotCovered
from vispa_green.model import GridKind, GridValue, JobRequest, Quantity
from vispa_green.policies import POLICIES
from vispa_green.policies.capped_delay import CAP, CappedDelay
from vispa_green.policies.lowest_slots import LowestSlots
from vispa_green.policies.threshold import Options
from vispa_green.shifting.outlook import CpuClaim, QueueOutlook, outlook

T0 = datetime(2026, 6, 1, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


@st.composite
def signals(draw: st.DrawFn) -> GridSignal:
    quantity, minute = draw(st.sampled_from(Quantity)), draw(st.integers(-60, 60))
    values = []
    for _ in range(draw(st.integers(0, 15))):
        length, number = draw(st.integers(1, 30)), draw(st.none() | st.integers(0, 800))
        if number is not None:
            values.append(
                GridValue(quantity, GridKind.FORECAST, at(minute), at(minute + length), number, "x", T0, T0)
            )
        minute += length
    return GridSignal.from_values(values, quantity)


REQUESTS = st.builds(
    lambda duration, slack: JobRequest(timedelta(minutes=duration), T0, at(duration + slack)),
    st.integers(1, 120),
    st.integers(-60, 240),
)


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=REQUESTS, signal=signals())
def test_a_window_is_as_long_as_the_job_and_neither_early_nor_late(
    name: str, request: JobRequest, signal: GridSignal
) -> None:
    window = POLICIES.make(name, None, tables_of(name)).choose(request, signal)
    assert window.end - window.start == request.duration
    assert window.start >= request.earliest
    assert window.start == request.earliest or window.end <= request.finish_by


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=REQUESTS, signal=signals())
def test_a_window_states_true_means_and_a_reason(name: str, request: JobRequest, signal: GridSignal) -> None:
    window = POLICIES.make(name, None, tables_of(name)).choose(request, signal)
    for start, stated in ((window.start, window.mean), (request.earliest, window.mean_if_started_now)):
        try:
            assert stated == signal.mean(start, start + request.duration)
        except NotCovered:
            assert stated is None
    assert window.quantity is signal.quantity
    assert len(window.reason.split()) >= 3


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=REQUESTS, signal=signals())
def test_nobody_waits_for_a_browner_or_an_unknown_grid(name: str, request: JobRequest, signal: GridSignal) -> None:
    window = POLICIES.make(name, None, tables_of(name)).choose(request, signal)
    if window.start == request.earliest:
        return
    assert window.mean is not None
    if window.mean_if_started_now is not None:
        gain = window.mean_if_started_now - window.mean
        assert gain > 0 if signal.quantity.lower_is_greener else gain < 0


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=REQUESTS, signal=signals())
def test_the_same_question_has_the_same_answer(name: str, request: JobRequest, signal: GridSignal) -> None:
    policy = POLICIES.make(name, None, tables_of(name))
    assert policy.choose(request, signal) == policy.choose(request, signal)


CPUS = 16
WIDTHS, MINUTES = st.integers(1, CPUS), st.integers(1, 300)


@st.composite
def outlooks(draw: st.DrawFn) -> QueueOutlook:
    running, left = [], CPUS
    for width, minutes in draw(st.lists(st.tuples(WIDTHS, MINUTES), max_size=8)):
        if width <= left:
            running.append(CpuClaim(width, 60 * minutes))
            left -= width
    waiting = draw(st.lists(st.builds(lambda w, m: CpuClaim(w, 60 * m), WIDTHS, MINUTES), max_size=4))
    held = draw(
        st.lists(st.builds(lambda w, m, s: CpuClaim(w, 60 * m, 60 * s), WIDTHS, MINUTES, MINUTES), max_size=4)
    )
    return outlook(T0, CPUS, running, waiting, held, draw(st.integers(0, 6)))


WIDE_REQUESTS = st.builds(
    lambda request, cpus, is_held: replace(request, cpus=cpus, is_held=is_held), REQUESTS, WIDTHS, st.booleans()
)


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=WIDE_REQUESTS, signal=signals(), ahead=outlooks())
def test_whatever_the_queue_no_deadline_is_missed_and_no_unknown_grid_waited_for(
    name: str, request: JobRequest, signal: GridSignal, ahead: QueueOutlook
) -> None:
    policy = POLICIES.make(name, None, tables_of(name))
    window = policy.choose(request, signal, ahead)
    assert window == policy.choose(request, signal, ahead)
    assert window.end - window.start == request.duration
    assert window.start >= request.earliest
    if window.start > request.earliest:
        assert window.end <= request.finish_by
        assert window.mean is not None or request.is_held


@pytest.mark.parametrize(
    "name", [name for name in POLICIES.names() if not POLICIES.make(name, None, tables_of(name)).looks_at_queue]
)
@given(request=WIDE_REQUESTS, signal=signals(), ahead=outlooks())
def test_who_does_not_look_at_the_queue_says_the_same_with_and_without(
    name: str, request: JobRequest, signal: GridSignal, ahead: QueueOutlook
) -> None:
    policy = POLICIES.make(name, None, tables_of(name))
    assert policy.choose(request, signal, ahead) == policy.choose(request, signal)


@pytest.mark.parametrize(
    "name", [name for name in POLICIES.names() if POLICIES.make(name, None, tables_of(name)).looks_at_queue]
)
@given(request=REQUESTS, signal=signals())
def test_without_an_outlook_queue_policies_are_the_best_mean(
    name: str, request: JobRequest, signal: GridSignal
) -> None:
    assert POLICIES.make(name, None, tables_of(name)).choose(request, signal) == POLICIES.make(
        "best_mean", None, {}
    ).choose(request, signal)


@given(request=REQUESTS, signal=signals(), minutes=st.floats(0, 240))
def test_no_random_start_beats_the_best_mean(request: JobRequest, signal: GridSignal, minutes: float) -> None:
    start = at(minutes)
    if start + request.duration > request.finish_by:
        return
    try:
        there = signal.mean(start, start + request.duration)
    except NotCovered:
        return
    best = POLICIES.make("best_mean", None, {}).choose(request, signal).mean
    assert best is not None
    sign = 1 if signal.quantity.lower_is_greener else -1
    assert sign * best <= sign * there + 1e-6


@given(request=REQUESTS, signal=signals(), minutes=st.floats(0, 240))
def test_nothing_green_enough_comes_before_the_threshold_s_start(
    request: JobRequest, signal: GridSignal, minutes: float
) -> None:
    window = POLICIES.make("threshold", None, {}).choose(request, signal)
    start = at(minutes)
    if start >= window.start:
        return
    try:
        mean = signal.mean(start, start + request.duration)
    except NotCovered:
        return
    limit = getattr(Options(), signal.quantity)
    assert mean > limit - 1e-6 if signal.quantity.lower_is_greener else mean < limit + 1e-6


@given(request=REQUESTS, signal=signals())
def test_the_capped_delay_is_capped(request: JobRequest, signal: GridSignal) -> None:
    assert CappedDelay().choose(request, signal).start - request.earliest <= CAP
    assert CappedDelay(timedelta(hours=1)).choose(request, signal).start - request.earliest <= timedelta(hours=1)


@given(request=REQUESTS, signal=signals())
def test_the_lowest_slots_are_as_long_as_the_job_and_not_beaten_by_one_window(
    request: JobRequest, signal: GridSignal
) -> None:
    slots = LowestSlots().slots(request, signal)
    if not slots:
        return
    assert sum((end - start for start, end in slots), timedelta(0)) == request.duration
    assert all(start < end for start, end in slots)
    assert all(first[1] < second[0] for first, second in pairwise(slots))
    assert request.earliest <= slots[0][0]
    assert slots[-1][1] <= request.finish_by
    pieces = sum(signal.mean(start, end) * ((end - start) / request.duration) for start, end in slots)
    best = POLICIES.make("best_mean", None, {}).choose(request, signal).mean
    sign = 1 if signal.quantity.lower_is_greener else -1
    assert best is None or sign * pieces <= sign * best + 1e-6
