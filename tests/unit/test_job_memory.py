"""How much memory a job can have held at most, from what Slurm keeps of its steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vispa_green.slurm.memory import UNKNOWN, StepMemory, peak_mib

T0 = datetime(2026, 11, 26, tzinfo=UTC)
SPANS = st.tuples(st.integers(0, 30), st.integers(1, 30), st.lists(st.integers(0, 1000), min_size=1, max_size=5))


def at(second: int) -> datetime:
    return T0 + timedelta(seconds=second)


def of_tasks(start: int, length: int, tasks: list[int]) -> StepMemory:
    """As Slurm tells a step: the largest task, and how many there are."""
    return StepMemory(at(start), at(start + length), max(tasks) * len(tasks))


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_it_is_never_less_than_the_truth(steps: list[tuple[int, int, list[int]]]) -> None:
    """Every task holds its peak all the time: nothing can be worse."""
    found = peak_mib(of_tasks(*step) for step in steps)
    assert found is not None
    for second in range(60):
        held = sum(sum(tasks) for start, length, tasks in steps if start <= second < start + length)
        assert found >= held


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_it_is_reached_at_some_second_by_equal_tasks(steps: list[tuple[int, int, list[int]]]) -> None:
    """The bound is no higher than what Slurm's figures allow."""
    found = peak_mib(of_tasks(*step) for step in steps)
    assert found == max(
        sum(max(tasks) * len(tasks) for start, length, tasks in steps if start <= second < start + length)
        for second in range(60)
    )


def test_steps_one_after_another_do_not_add_up() -> None:
    batch, first, second = (
        StepMemory(at(0), at(20), 4),
        StepMemory(at(0), at(10), 900),
        StepMemory(at(10), at(20), 800),
    )
    assert peak_mib([batch, first, second]) == 904
    assert peak_mib([batch, first, StepMemory(at(9), at(20), 800)]) == 1704


def test_steps_shorter_than_slurms_second_count() -> None:
    assert peak_mib([StepMemory(at(5), at(5), 700), StepMemory(at(5), at(5), 300)]) == 1000


@given(st.lists(SPANS, max_size=5))
def test_one_step_of_which_nothing_is_known_makes_all_unknown(steps: list[tuple[int, int, list[int]]]) -> None:
    known = [of_tasks(*step) for step in steps]
    assert peak_mib([*known, UNKNOWN]) is None
    assert peak_mib([*known, StepMemory(at(0), None, 5)]) is None
    assert peak_mib([*known, StepMemory(at(0), at(1), None)]) is None


def test_without_steps_there_is_no_figure() -> None:
    assert peak_mib([]) is None
