"""Laws of every attribution model and every idle policy: a new file is tested here with no edit."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.standing_in import tables_of
from vispa_green.attribution import MODELS
from vispa_green.idle_policies import IDLE_POLICIES
from vispa_green.model import Binding, Component, JobActivity, NodeActivity

NS = st.integers(0, 10**13)


@st.composite
def activities(draw: st.DrawFn) -> NodeActivity:
    duration_us = draw(st.integers(0, 10**8))
    jobs = tuple(
        JobActivity(
            str(number),
            draw(NS),
            draw(st.integers(0, duration_us)),
            Binding(0, draw(st.none() | st.integers(0, 64)), ()),
        )
        for number in range(draw(st.integers(0, 5)))
    )
    busy, unused = draw(st.none() | NS), draw(NS)
    return NodeActivity(
        duration_us, draw(st.none() | st.integers(1, 64)), busy, None if busy is None else busy + unused, jobs
    )


@pytest.mark.parametrize("name", MODELS.names())
@given(energy_uj=st.integers(0, 10**12), activity=activities())
def test_a_model_conserves_energy(name: str, energy_uj: int, activity: NodeActivity) -> None:
    split = MODELS.make(name, None, tables_of(name)).split(energy_uj, Component.CPU, activity)
    assert sum(split.jobs_uj.values()) + split.idle_uj + split.system_uj == energy_uj
    assert min([split.idle_uj, split.system_uj, *split.jobs_uj.values()]) >= 0


@pytest.mark.parametrize("name", MODELS.names())
@given(energy_uj=st.integers(0, 10**12), activity=activities())
def test_more_cpu_time_never_costs_less(name: str, energy_uj: int, activity: NodeActivity) -> None:
    split = MODELS.make(name, None, tables_of(name)).split(energy_uj, Component.CPU, activity)
    by_cpu = sorted(activity.jobs, key=lambda job: job.cpu_ns)
    energies = [split.jobs_uj.get(job.job_id, 0) for job in by_cpu]
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(energies))


@pytest.mark.parametrize("name", MODELS.names())
@given(energy_uj=st.integers(0, 10**12), cpu_ns=st.integers(1, 10**12), others_ns=NS)
def test_half_of_the_busy_time_is_half_of_the_busy_energy(
    name: str, energy_uj: int, cpu_ns: int, others_ns: int
) -> None:
    jobs = (JobActivity("a", cpu_ns, 10), JobActivity("b", cpu_ns, 10))
    activity = NodeActivity(10, 8, 2 * cpu_ns, 2 * cpu_ns + others_ns, jobs)
    split = MODELS.make(name, None, tables_of(name)).split(energy_uj, Component.CPU, activity)
    assert abs(2 * split.jobs_uj.get("a", 0) - (energy_uj - split.idle_uj)) <= 2


@pytest.mark.parametrize("name", IDLE_POLICIES.names())
@given(idle_uj=st.integers(0, 10**12), activity=activities())
def test_an_idle_policy_conserves_energy(name: str, idle_uj: int, activity: NodeActivity) -> None:
    shares, rest = IDLE_POLICIES.make(name, None, tables_of(name)).shares(idle_uj, activity)
    assert sum(shares.values()) + rest == idle_uj
    assert min([rest, *shares.values()]) >= 0
    assert set(shares) <= {job.job_id for job in activity.jobs}


@pytest.mark.parametrize("name", IDLE_POLICIES.names())
@given(idle_uj=st.integers(0, 10**12))
def test_an_empty_node_keeps_its_idle_energy(name: str, idle_uj: int) -> None:
    assert IDLE_POLICIES.make(name, None, tables_of(name)).shares(idle_uj, NodeActivity(10, 8, 0, 80, ())) == (
        {},
        idle_uj,
    )


def test_allocation_is_what_the_allocated_policy_goes_by() -> None:
    jobs = (JobActivity("a", 0, 10, Binding(allocated_cpus=4)), JobActivity("b", 0, 5, Binding(allocated_cpus=4)))
    shares, rest = IDLE_POLICIES.make("allocated", None, {}).shares(800, NodeActivity(10, 8, 0, 80, jobs))
    assert (shares, rest) == ({"a": 400, "b": 200}, 200)
