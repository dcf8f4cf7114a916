"""Law: cutting at quarter-hours loses nothing, crosses nothing, and every part balances (its constructor checks)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.quarters import cut
from vispa_green.model import QUARTER, Component, EnergyEntry, JobActivity, JobShare, NodeInterval, Quality

START = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
uj = st.integers(0, 10**13)


@given(
    begin_us=st.integers(0, 4 * 10**9),
    length_us=st.integers(0, 4 * 10**9),
    shares=st.lists(st.tuples(uj, uj), max_size=3),
    idle=uj,
    system=uj,
)
def test_parts_add_up_and_cross_no_quarter(
    begin_us: int, length_us: int, shares: list[tuple[int, int]], idle: int, system: int
) -> None:
    start = START + timedelta(microseconds=begin_us)
    jobs = tuple(JobShare(str(i), *share) for i, share in enumerate(shares))
    entry = EnergyEntry(
        Component.CPU, "cpu:0", Quality.MEASURED, idle + system + sum(map(sum, shares)), idle, system, jobs
    )
    gap = EnergyEntry(Component.DRAM, "dram:0", Quality.GAP, None)
    activity = tuple(JobActivity(str(i), share[0], share[1]) for i, share in enumerate(shares))
    end = start + timedelta(microseconds=length_us)
    whole = NodeInterval("n1", "boot", start, end, length_us, Quality.MEASURED, (entry, gap), activity)
    parts = cut(whole)
    assert parts[0].start == start
    assert parts[-1].end == end
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert all((p.end - START) // QUARTER == (p.start - START) // QUARTER or (p.end - START) % QUARTER == timedelta(0)
               for p in parts)  # fmt: skip
    assert sum(p.duration_us for p in parts) == length_us
    assert sum(p.entries[0].measured_uj or 0 for p in parts) == entry.measured_uj
    assert all(p.entries[1].measured_uj is None for p in parts)
    for i, (busy, carried) in enumerate(shares):
        assert sum(p.entries[0].jobs[i].busy_uj for p in parts) == busy
        assert sum(p.entries[0].jobs[i].idle_uj for p in parts) == carried
        assert sum(p.jobs[i].cpu_ns for p in parts) == busy
        assert sum(p.jobs[i].present_us for p in parts) == carried
