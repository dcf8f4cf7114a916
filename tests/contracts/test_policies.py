"""Laws of every policy: a new file in vispa_green/policies is tested here with no edit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.carbon import GridSignal
from vispa_green.errors import NotCovered
from vispa_green.model import GridKind, GridValue, JobRequest, Quantity
from vispa_green.policies import POLICIES

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
    window = POLICIES.load(name)().choose(request, signal)
    assert window.end - window.start == request.duration
    assert window.start >= request.earliest
    assert window.start == request.earliest or window.end <= request.finish_by


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=REQUESTS, signal=signals())
def test_a_window_states_true_means_and_a_reason(name: str, request: JobRequest, signal: GridSignal) -> None:
    window = POLICIES.load(name)().choose(request, signal)
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
    window = POLICIES.load(name)().choose(request, signal)
    if window.start == request.earliest:
        return
    assert window.mean is not None
    if window.mean_if_started_now is not None:
        gain = window.mean_if_started_now - window.mean
        assert gain > 0 if signal.quantity.lower_is_greener else gain < 0


@pytest.mark.parametrize("name", POLICIES.names())
@given(request=REQUESTS, signal=signals())
def test_the_same_question_has_the_same_answer(name: str, request: JobRequest, signal: GridSignal) -> None:
    policy = POLICIES.load(name)()
    assert policy.choose(request, signal) == policy.choose(request, signal)
