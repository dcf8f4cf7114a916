"""Laws of the spool's text: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.agent import wire
from vispa_green.energy.accounting import Baseline
from vispa_green.energy.readings import LastReading, Point
from vispa_green.errors import SpoolDamaged
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

COUNTS = st.integers(0, 2**70)
TEXTS = st.text(max_size=12)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
QUALITIES = st.sampled_from(Quality)
BINDINGS = st.builds(
    Binding,
    st.none() | COUNTS,
    st.none() | COUNTS,
    st.none() | st.lists(COUNTS, max_size=3).map(tuple),
    st.none() | MOMENTS,
    st.none() | COUNTS,
    st.none() | COUNTS,
)
ACTIVITIES = st.builds(JobActivity, TEXTS, COUNTS, COUNTS, BINDINGS)


@st.composite
def entries(draw: st.DrawFn) -> EnergyEntry:
    place = (draw(st.sampled_from(Component)), draw(TEXTS), draw(QUALITIES))
    if draw(st.booleans()):
        return EnergyEntry(*place, None, reason=draw(TEXTS))
    shares = tuple(draw(st.lists(st.builds(JobShare, TEXTS, COUNTS, COUNTS), max_size=3)))
    idle, system = draw(COUNTS), draw(COUNTS)
    total = idle + system + sum(share.busy_uj + share.idle_uj for share in shares)
    return EnergyEntry(*place, total, idle, system, shares, draw(TEXTS))


INTERVALS = st.builds(
    NodeInterval,
    TEXTS,
    TEXTS,
    MOMENTS,
    MOMENTS,
    COUNTS,
    QUALITIES,
    st.lists(entries(), max_size=3).map(tuple),
    st.lists(ACTIVITIES, max_size=3).map(tuple),
    TEXTS,
)
POINTS = st.builds(Point, COUNTS, COUNTS)
BASELINES = st.builds(
    Baseline,
    st.builds(Instant, MOMENTS, COUNTS),
    TEXTS,
    st.none() | st.builds(CpuTime, COUNTS, COUNTS),
    st.dictionaries(TEXTS, st.builds(LastReading, POINTS, st.none() | POINTS), max_size=3),
    st.dictionaries(TEXTS, COUNTS, max_size=3),
)


@given(INTERVALS)
def test_an_interval_comes_back_as_it_was(interval: NodeInterval) -> None:
    assert wire.read_interval(wire.interval_text(interval)) == interval


@given(BASELINES)
def test_a_baseline_comes_back_as_it_was(baseline: Baseline) -> None:
    assert wire.read_baseline(wire.baseline_text(baseline)) == baseline


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=30,
)
READERS = pytest.mark.parametrize("read", [wire.read_interval, wire.read_baseline])


@READERS
@given(content=JSON)
def test_other_json_is_refused(read: Callable[[str], object], content: object) -> None:
    with pytest.raises(SpoolDamaged):
        read(json.dumps(content))


@READERS
@given(text=st.text(max_size=60))
def test_other_text_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(SpoolDamaged):
        read(text)


@given(interval=INTERVALS, cut=st.integers(0, 10_000))
def test_a_cut_record_is_refused(interval: NodeInterval, cut: int) -> None:
    text = wire.interval_text(interval)
    with pytest.raises(SpoolDamaged):
        wire.read_interval(text[: cut % len(text)])


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000])
def test_deeply_nested_text_is_refused(nested: str) -> None:
    with pytest.raises(SpoolDamaged):
        wire.read_interval(nested)
