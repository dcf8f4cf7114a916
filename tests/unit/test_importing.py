"""The importer: whatever fails and however late accounting is, the ledger ends with what Slurm knows."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.rows import charged, deliver
from vispa_green.errors import LedgerError, SlurmError
from vispa_green.importing import (
    FIRST,
    LONGEST_PAUSE_S,
    OVERLAP,
    SLICE,
    STILL_FRESH,
    Synced,
    follow,
    is_fresh,
    pause_s,
    spans,
    sync_once,
)
from vispa_green.ledgers import open_ledger
from vispa_green.model import Answer, Instant, JobFact, JobId, Ledger, QueueEntry, Selection

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MINUTES = st.integers(0, 3 * 24 * 60)


@dataclass(frozen=True)
class Life:
    """A job's true life, in minutes after T0, and how much later accounting hears of its end."""

    number: int
    submit: int
    waits: int
    runs: int
    is_cancelled: bool
    late: int

    @property
    def start(self) -> datetime:
        return T0 + (self.submit + self.waits) * MINUTE

    @property
    def end(self) -> datetime:
        return self.start if self.is_cancelled else self.start + self.runs * MINUTE


@dataclass
class Simulated:
    """A `Cluster` whose jobs live by the clock; it can be told to fail at its next so many questions."""

    lives: Sequence[Life]
    now: datetime = T0
    failing: int = 0
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)

    def finished_or_changed(self, since: datetime, until: datetime) -> Answer[list[JobFact]]:
        self._may_fail()
        self.asked.append((since, until))
        known = [fact for fact in map(self.fact, self.lives) if fact is not None]
        return Answer([fact for fact in known if self._is_in(fact, since, until)])

    def jobs(self, job_ids: Sequence[JobId]) -> Answer[list[JobFact]]:
        self._may_fail()
        known = [fact for fact in map(self.fact, self.lives) if fact is not None]
        return Answer([fact for fact in known if fact.job_id in set(job_ids)])

    def queue(self, at: datetime) -> Answer[list[QueueEntry]]:
        self._may_fail()
        waiting = [life for life in self.lives if T0 + life.submit * MINUTE <= self.now < life.start]
        return Answer([_entry(life) for life in waiting])

    def coordinators(self) -> Mapping[str, frozenset[str]]:
        return {}

    def fact(self, life: Life) -> JobFact | None:
        submit, is_heard = T0 + life.submit * MINUTE, self.now >= life.end + life.late * MINUTE
        if self.now < life.start and not (life.is_cancelled and is_heard):
            return None  # as sacct with a begin time in the future
        state = "RUNNING" if not is_heard else "CANCELLED" if life.is_cancelled else "COMPLETED"
        end = life.end if is_heard else None
        elapsed = (end or self.now) - life.start
        return _fact(life, submit, state, life.start, end, elapsed)

    def _is_in(self, fact: JobFact, since: datetime, until: datetime) -> bool:
        return fact.start is not None and fact.start < until and (fact.end is None or fact.end >= since)

    def _may_fail(self) -> None:
        if self.failing:
            self.failing -= 1
            raise SlurmError("sacct gave no answer within 10 s")


def _fact(
    life: Life, submit: datetime, state: str, start: datetime, end: datetime | None, elapsed: timedelta
) -> JobFact:
    number = str(life.number)
    return JobFact(
        number, number, "ada", "physics", "main", "x", state, ("n1",), submit, submit, start, end, HOUR, 1,
        uid=1001, elapsed=elapsed,
    )  # fmt: skip


def _entry(life: Life) -> QueueEntry:
    number = str(life.number)
    submit = T0 + life.submit * MINUTE
    return QueueEntry(
        number, number, "ada", "PENDING", "BeginTime", life.start, 1, HOUR, uid=1001, account="physics",
        partition="main", name="x", submit=submit,
    )  # fmt: skip


@contextmanager
def a_ledger() -> Iterator[tuple[Ledger, Path]]:
    memory = Path("/dev/shm")  # hundreds of ledgers, each of which waits for its disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        file = Path(directory) / "ledger.sqlite"
        ledger = open_ledger(f"sqlite://{file}", create=True)
        try:
            yield ledger, file
        finally:
            ledger.close()


def told(ledger: Ledger) -> dict[str, JobFact]:
    return {fact.job_id: fact for _, fact in ledger.facts.facts(Selection())}


LIVES = st.lists(
    st.tuples(MINUTES, st.integers(0, 600), st.integers(1, 900), st.booleans(), st.sampled_from([0, 0, 1, 30, 400])),
    max_size=8,
).map(lambda rows: [Life(number, *row) for number, row in enumerate(rows, 1)])
STEPS = st.lists(st.tuples(st.integers(1, 1500), st.integers(0, 4)), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(LIVES, STEPS)
def test_in_the_end_the_ledger_has_what_slurm_knows(lives: list[Life], steps: list[tuple[int, int]]) -> None:
    """Imports at any times, with failures between: outages, crashes in the middle, ends that come late."""
    cluster = Simulated(lives)
    with a_ledger() as (ledger, _):
        for minutes, failing in steps:
            cluster.now += minutes * MINUTE
            cluster.failing = failing
            try:
                sync_once(cluster, ledger, "lab", cluster.now)
            except SlurmError:
                continue
        cluster.failing = 0
        cluster.now = T0 + timedelta(days=6)
        sync_once(cluster, ledger, "lab", cluster.now)
        assert told(ledger) == {fact.job_id: fact for fact in map(cluster.fact, lives) if fact is not None}
        assert ledger.facts.imported_until("lab") == cluster.now


@settings(max_examples=15, deadline=None)
@given(LIVES, MINUTES)
def test_a_second_import_adds_no_row(lives: list[Life], minutes: int) -> None:
    """Also while jobs run: half an hour of theirs is one row, not thirty."""
    cluster = Simulated(lives, T0 + minutes * MINUTE)
    with a_ledger() as (ledger, file):
        sync_once(cluster, ledger, "lab", cluster.now)
        before, rows = told(ledger), _rows(file)
        sync_once(cluster, ledger, "lab", cluster.now)
        assert (told(ledger), _rows(file)) == (before, rows)
        running = sum(fact.state == "RUNNING" for fact in before.values())
        for _ in range(30):
            cluster.now += MINUTE
            sync_once(cluster, ledger, "lab", cluster.now)
        changed = sum(
            any(0 <= (moment - (T0 + minutes * MINUTE)) / MINUTE <= 30 for moment in moments)
            for life in lives
            for moments in [(T0 + life.submit * MINUTE, life.start, life.end, life.end + life.late * MINUTE)]
        )
        assert _rows(file) - rows <= running + 3 * changed


def _rows(file: Path) -> int:
    with sqlite3.connect(file) as database:
        (count,) = database.execute("SELECT count(*) FROM job_fact").fetchone()
    database.close()
    return int(count)


MOMENTS = st.integers(-80 * 24 * 60, 80 * 24 * 60).map(lambda minutes: T0 + minutes * MINUTE)


@given(st.none() | MOMENTS, MOMENTS, st.none() | MOMENTS)
def test_spans_are_bounded_and_without_a_hole(mark: datetime | None, at: datetime, since: datetime | None) -> None:
    todo = spans(mark, at, since)
    assert all(timedelta(0) < span.until - span.since <= SLICE for span in todo)
    assert [span.until for span in todo[:-1]] == [span.since for span in todo[1:]]
    if mark is not None:
        assert todo[0].since <= min(mark, at) - OVERLAP
    if todo:
        assert todo[-1].until == at
        assert since is None or todo[0].since <= since
    if mark is None and since is None:
        assert todo[0].since == at - FIRST


def test_the_first_import_of_a_day_goes_two_days_back() -> None:
    late = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    assert late - spans(late, late + timedelta(seconds=30))[0].since == OVERLAP
    assert late - spans(late, late + 2 * MINUTE)[0].since == timedelta(days=2)


def test_a_long_outage_is_done_in_pieces_each_of_which_stays() -> None:
    lives = [Life(number, number * 60, 0, 30, is_cancelled=False, late=0) for number in range(1, 70)]
    cluster = Simulated(lives, T0 + 3 * timedelta(days=1))
    progress: list[tuple[int, int]] = []

    def dies(until: datetime, number: int, of: int) -> None:
        progress.append((number, of))
        if number == 230:
            raise SlurmError("and then the machine died")

    with a_ledger() as (ledger, _):
        with pytest.raises(SlurmError):
            sync_once(cluster, ledger, "lab", cluster.now, progress=dies)
        reached = ledger.facts.imported_until("lab")
        assert reached is not None
        asked = len(cluster.asked)
        sync_once(cluster, ledger, "lab", cluster.now)
        assert reached - timedelta(days=2) <= cluster.asked[asked][0] < reached
        assert len(told(ledger)) == len(lives)
    assert progress[-1] == (230, int(FIRST / SLICE))


def test_a_mark_of_a_wrong_clock_is_put_right() -> None:
    with a_ledger() as (ledger, _):
        ledger.facts.imported("lab", T0 + timedelta(days=365))
        assert not is_fresh(ledger.facts.imported_until("lab"), T0, 60)
        sync_once(Simulated([]), ledger, "lab", T0)
        assert ledger.facts.imported_until("lab") == T0


def test_a_fact_that_is_not_believed_is_told_of() -> None:
    """The sentence of the book itself, as for facts that a command brings."""
    life = Life(7, 0, 0, 90, is_cancelled=False, late=0)
    cluster = Simulated([life], T0 + 5 * HOUR)
    with a_ledger() as (ledger, _):
        deliver(ledger, [charged({"7": 5}, T0, HOUR, submitted=T0, uid=1002)])
        [doubt] = sync_once(cluster, ledger, "lab", cluster.now).warnings
        assert "not believed" in doubt
        assert told(ledger) == {}


@given(st.floats(0, 600), st.floats(5, 3600))
def test_an_import_is_fresh_for_a_few_periods(age_s: float, period_s: float) -> None:
    mark = T0 - timedelta(seconds=age_s)
    assert is_fresh(mark, T0, period_s) == (T0 - mark <= timedelta(seconds=STILL_FRESH * period_s))
    assert not is_fresh(None, T0, period_s)


@given(st.floats(5, 3600), st.integers(0, 1000))
def test_a_pause_grows_with_failures_to_a_limit(period_s: float, failures: int) -> None:
    pauses = [pause_s(period_s, failures + more) for more in range(3)]
    assert pauses == sorted(pauses)
    assert period_s <= pauses[0] <= max(period_s, LONGEST_PAUSE_S)
    assert pause_s(period_s, 0) == period_s


def test_following_waits_longer_after_failures_and_tells_news_once() -> None:
    outcomes: list[Exception | Synced] = [
        SlurmError("down"), LedgerError("locked"), Synced(1, T0, ("a fault",)), Synced(1, T0, ("a fault", "another")),
    ]  # fmt: skip
    paused: list[float] = []
    said: list[str] = []

    def sync(at: datetime) -> Synced:
        outcome = outcomes[len(paused)]
        if isinstance(outcome, Exception):
            raise outcome
        return replace(outcome, until=at)

    def wait(seconds: float) -> bool:
        paused.append(seconds)
        return len(paused) == len(outcomes)

    follow(sync, lambda: Instant(T0, 0), wait, 60, said.append)
    assert paused == [120, 240, 60, 60]
    assert said == ["down; asked again in 120 s", "locked; asked again in 240 s", "a fault", "another"]
