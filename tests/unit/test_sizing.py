"""Laws of what is advised from earlier runs, and how the rule does on families with known laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.job_families import BEGIN, HOUR, LAWS, family
from vispa_green.sizing.replay import Advisor, AsAsked, ByRule, OfRecent, Record, most_and_a_fifth, p95, replay
from vispa_green.sizing.rule import CPUS, EXPIRY, LEAST_RUNS, MEMORY, MOST_UNKNOWN, TIME, Ground, Rule, Run, advised

RULES = st.sampled_from([MEMORY, TIME, CPUS])
NOW = BEGIN + timedelta(days=60)
PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


def run(ended_h: float, used: float | None, **more: object) -> Run:
    ended = BEGIN + timedelta(hours=ended_h)
    plain = Run(ended - HOUR, ended, 16384.0, used)
    return replace(plain, **more)  # type: ignore[arg-type]


def at_random(used: st.SearchStrategy[float | None]) -> st.SearchStrategy[list[Run]]:
    one = st.builds(
        run, st.integers(1, 24 * 200), used, cpus=st.integers(1, 4), was_cut=st.booleans(), is_whole=st.booleans()
    )
    return st.lists(one, max_size=60)


USED = st.one_of(st.none(), st.floats(1, 16384))
RUNS = at_random(USED)
STEADY = st.lists(st.builds(run, st.integers(1, 24 * 50), st.floats(1000, 1200)), min_size=LEAST_RUNS, max_size=60)


@given(RUNS, RULES, st.integers(1, 8), st.integers(1, 300))
def test_advice_is_never_below_what_a_run_used_that_has_not_expired(
    runs: list[Run], rule: Rule, cpus: int, day: int
) -> None:
    now = BEGIN + timedelta(days=day)
    said = advised(runs, rule, None, cpus, now)
    fresh = [one for one in runs if now - EXPIRY <= one.ended <= now]
    if said.amount is not None:
        for one in fresh:
            assert one.used is None or said.amount >= one.used
            assert not one.was_cut or one.asked is None or said.amount >= one.asked


@given(RUNS, RULES, st.integers(1, 8), st.integers(1, 8))
def test_more_cpus_never_need_less(runs: list[Run], rule: Rule, cpus: int, more: int) -> None:
    few, many = (advised(runs, rule, None, count, NOW).amount for count in (cpus, cpus + more))
    assert few is None or many is None or many >= few


@given(RUNS, RULES, st.floats(1, 16384))
def test_less_is_advised_only_below_what_is_asked_and_more_only_after_a_cut(
    runs: list[Run], rule: Rule, asked: float
) -> None:
    said = advised(runs, rule, asked, 1, NOW)
    if said.amount is None:
        assert said.ground not in {Ground.LESS, Ground.MORE}
    elif said.amount > asked:
        assert said.ground is Ground.MORE
        assert said.cuts
    else:
        assert said.ground is Ground.LESS
        assert said.runs >= LEAST_RUNS


@given(RUNS, RULES)
def test_what_is_not_over_yet_or_has_expired_has_no_say(runs: list[Run], rule: Rule) -> None:
    heard = [one for one in runs if NOW - EXPIRY <= one.ended <= NOW]
    fresh = [one for one in heard if one.used is not None or one.was_cut]
    said = advised(runs, rule, None, 1, NOW)
    assert said.cuts == sum(one.was_cut for one in fresh)
    assert said.runs == sum(one.is_whole and not one.was_cut for one in fresh)
    assert (said.most_used is None) == (not fresh)


@given(STEADY, st.integers(1, 1000))
def test_a_job_killed_for_memory_is_advised_more_than_it_had_whatever_others_used(
    runs: list[Run], asked: int
) -> None:
    killed = run(24 * 55, None, asked=float(asked), was_cut=True)
    for known in ([killed], [*runs, killed]):
        said = advised(known, MEMORY, float(asked), 1, NOW)
        assert (said.ground, said.cuts) == (Ground.MORE, 1)
        assert said.amount is not None
        assert said.amount >= 1.5 * asked


@given(STEADY)
def test_what_is_not_known_of_all_tasks_is_no_ground_for_less(runs: list[Run]) -> None:
    assert advised(runs, MEMORY, 16384, 1, NOW).ground is Ground.LESS
    unknown = [run(24 * 51, None)] * (int(len(runs) * MOST_UNKNOWN / (1 - MOST_UNKNOWN)) + 1)
    said = advised([*runs, *unknown], MEMORY, 16384, 1, NOW)
    assert (said.amount, said.ground) == (None, Ground.NOT_KNOWN)


@given(STEADY)
def test_a_single_run_far_above_all_others_is_no_bound(runs: list[Run]) -> None:
    said = advised([*runs, run(24 * 51, 8000.0)], MEMORY, 16384, 1, NOW)
    assert (said.amount, said.ground) == (None, Ground.OPEN)


@given(st.integers(2, 8), st.integers(9, 32))
def test_memory_grows_with_cpus_where_it_was_seen_to_and_where_nothing_else_was_seen(seen: int, wanted: int) -> None:
    def said(held: Mapping[int, float]) -> float:
        runs = [run(n, used, cpus=cpus) for cpus, used in held.items() for n in range(1, 20)]
        amount = advised(runs, MEMORY, None, wanted, NOW).amount
        assert amount is not None
        return amount

    assert said({seen: 1000.0}) >= 1000 * wanted / seen, "of more CPUs nothing is known"
    assert said({1: 1000.0, seen: 1000.0 * seen}) >= 1000 * wanted
    assert said({1: 1000.0, seen: 1000.0}) < 2000, "both were seen, and held the same"


@given(st.sampled_from(list(LAWS)), st.integers(0, 10**6), RULES)
def test_a_replay_knows_nothing_of_what_comes_later(kind: str, seed: int, rule: Rule) -> None:
    runs = family(kind, 60, seed)
    whole, first = replay(runs, ByRule(rule)), replay(runs[:40], ByRule(rule))
    rest = [advised(runs, rule, one.asked, one.cpus, one.submitted).amount for one in runs[40:]]
    assert whole.advised - first.advised == sum(
        amount is not None for amount, one in zip(rest, runs[40:], strict=True) if one.used or one.was_cut
    )


@given(st.sampled_from(list(LAWS)), st.integers(0, 10**6))
def test_as_asked_allocates_what_was_asked_and_fails_where_jobs_were_killed(kind: str, seed: int) -> None:
    runs = family(kind, 80, seed)
    killed = sum(one.was_cut for one in runs)
    record = replay(runs, AsAsked())
    assert (record.advised, record.failed, record.given) == (80, killed, record.asked)
    told = replay(runs, AsAsked(), family(kind, 80, seed, is_told=True))
    assert (told.advised, told.failed) == (80, killed)


CONTESTANTS: Mapping[str, Callable[[], Advisor]] = {
    "as asked": AsAsked,
    "p95": lambda: OfRecent(p95),
    "1.2 × max": lambda: OfRecent(most_and_a_fifth),
    "the rule": lambda: ByRule(MEMORY),
}


def judged(kind: str, seeds: range, make: Callable[[], Advisor]) -> Record:
    """Return how an advisor does on families of a kind, by what their runs would have held uncut."""
    records = (replay(family(kind, 300, seed), make(), family(kind, 300, seed, is_told=True)) for seed in seeds)
    return sum(records, Record())


def table() -> str:
    """Return how each does on sixty families of each kind, as the page shows it."""
    lines = ["| family | asks | advised | failed | allocated/used |", "|---|---|---|---|---|"]
    for kind in LAWS:
        for name, make in CONTESTANTS.items():
            record = judged(kind, range(60), make)
            assert record.failure_rate is not None
            assert record.given_per_used is not None
            advised_pct = 100 * record.advised / record.runs
            failed_pct, used = 100 * record.failure_rate, record.given_per_used
            lines.append(f"| {kind} | {name} | {advised_pct:.0f} % | {failed_pct:.2f} % | {used:.2f} |")
    return "\n".join(lines)


def test_the_page_shows_what_a_replay_gives() -> None:
    assert table() in PAGE.read_text()


@pytest.mark.parametrize("kind", [kind for kind in LAWS if kind != "heavy-tailed"])
def test_where_a_family_has_a_bound_at_most_one_in_a_thousand_fails(kind: str) -> None:
    record = judged(kind, range(1000, 1040), CONTESTANTS["the rule"])
    assert record.advised > 0.8 * record.runs
    assert record.failed <= 0.001 * record.advised


def test_jobs_without_a_bound_are_left_alone() -> None:
    """Whoever advises them has them killed: more than one in two hundred, by 1.2 × max."""
    record = judged("heavy-tailed", range(1000, 1040), CONTESTANTS["the rule"])
    assert record.advised < 0.15 * record.runs
    assert record.failed <= 0.002 * record.runs
