"""A run that computes in green hours pauses when they end, says when it goes on, and never costs its deadline."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from vispa_green_jobs import running
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.green_hours import FILE, GreenHours, allowance
from vispa_green_jobs.job import Job
from vispa_green_jobs.record import Record, Segment, Status

from vispa_green.model import Instant
from vispa_green.session import Session, open_session

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
Grid = Callable[[datetime, list[tuple[float, float]]], Session]


@pytest.fixture
def grid(tmp_path: Path, account: dict[str, str]) -> Grid:
    """A session with a grid of ``(seconds, g/kWh)`` after some moment; the last value holds for ever."""

    def write(start: datetime, steps: list[tuple[float, float]]) -> Session:
        rows = [f"{(start + seconds * SECOND).isoformat()},50,{grams},forecast" for seconds, grams in steps]
        rows.append(f"2099-01-01T00:00:00Z,50,{steps[-1][1]},forecast")
        header = "start_utc,renewable_share_pct,gco2_per_kwh,kind"
        (tmp_path / "grid.csv").write_text("\n".join([header, *rows]) + "\n")
        return open_session(Path(account["VISPA_GREEN_CONFIG"]))

    return write


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a run that only lasts."""

    seconds: float


@dataclass(slots=True)
class Clock:
    """A time that passes only while a run computes, or somebody waits."""

    utc: datetime = NOW

    def now(self) -> Instant:
        return Instant(self.utc, (self.utc - NOW) // timedelta(microseconds=1) * 1000)

    def lasting(self, settings: Settings, context: RunContext) -> dict[str, float]:
        """Compute for so long, over all segments; its progress is its checkpoint."""
        progress = context.out / "progress"
        left = float(progress.read_text()) if progress.exists() else settings.seconds
        context.say("computing")
        while left > 0:
            self.utc += seconds(0.05)
            left -= 0.05
            progress.write_text(str(left))
            context.pause_point()
        return {"left": left}


@dataclass(slots=True)
class Run:
    """A run in a folder, and what it said in its last segment."""

    clock: Clock
    out: Path
    record: Record
    said: list[str]

    def segment(self, session: Session, hours: GreenHours) -> Segment:
        self.said.clear()
        session = replace(session, now=self.clock.now())
        job = Job("lasting", JOBS.load("one_flow")().definition, Settings, self.clock.lasting)
        here = running.Run(job, self.out, session, self.clock.now, self.said.append, hours=hours)
        self.record = running.go_on(here, self.record)
        return self.record.segments[-1]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(Clock(), tmp_path / "run", Record("lasting", "tiny", 0, 1, {"seconds": 4.0}, {}), [])


def seconds(number: float) -> timedelta:
    return number * SECOND


def test_it_pauses_when_the_window_closes_and_completes_in_the_next(run: Run, grid: Grid) -> None:
    session = grid(NOW, [(0, 100), (3, 500), (6, 90), (10, 500)])
    hours = GreenHours(NOW + seconds(30), seconds(5), seconds(0.5))
    first = run.segment(session, hours)
    assert run.record.status is Status.PAUSED
    assert run.record.exit_code == 75
    assert first.resume_at is not None
    assert first.end is not None
    assert datetime.fromisoformat(first.resume_at) == NOW + seconds(6)
    assert datetime.fromisoformat(first.end) == NOW + seconds(1.5)  # the rest, 3.5 s and a restart, fits in the next
    asked = datetime.fromisoformat((run.out / FILE).read_text().strip())
    assert timedelta(0) < asked - datetime.fromisoformat(first.resume_at) <= SECOND

    run.clock.utc = asked
    second = run.segment(session, hours)
    assert (run.record.status, second.status, second.resume_at) == (Status.COMPLETE, Status.COMPLETE, None)
    assert not (run.out / FILE).exists()


def test_in_a_closed_window_nothing_runs_and_a_start_that_comes_early_runs_through(run: Run, grid: Grid) -> None:
    """Pausing again would only help if Slurm had kept the start it was asked for."""
    session = grid(NOW, [(0, 500), (600, 90)])
    hours = GreenHours(NOW + seconds(3000), seconds(60), seconds(5))
    first = run.segment(session, hours)
    assert (run.record.status, first.steps) == (Status.PAUSED, 0)
    assert "computing" not in run.said
    assert (run.out / FILE).exists()

    run.segment(session, hours)
    assert run.record.status is Status.COMPLETE
    assert run.said[0] == "green hours: runs through: it was started earlier than planned"


def test_near_its_deadline_it_runs_through_the_dirtiest_hours(run: Run, grid: Grid) -> None:
    session = grid(NOW, [(0, 100), (1, 700), (3000, 10)])
    run.segment(session, GreenHours(NOW + seconds(6), seconds(6), seconds(0.5)))
    assert run.record.status is Status.COMPLETE


def test_a_signal_within_the_stretch_asks_for_no_later_start(run: Run, grid: Grid) -> None:
    class Heard(list[str]):
        def append(self, text: str) -> None:
            if text == "computing":
                os.kill(os.getpid(), signal.SIGUSR1)

    run.said = Heard()
    session = grid(NOW, [(0, 100), (600, 500), (1200, 110)])
    first = run.segment(session, GreenHours(NOW + seconds(3000), seconds(900), seconds(20)))
    assert (run.record.status, first.resume_at) == (Status.PAUSED, None)
    assert not (run.out / FILE).exists()


def segment(start: float, end: float | None, resume_at: float | None = None) -> Segment:
    def text(number: float | None) -> str | None:
        return None if number is None else (NOW + number * timedelta(minutes=1)).isoformat()

    return Segment(text(start) or "", "n1", "slurm", "7", text(end), Status.PAUSED, resume_at=text(resume_at))


HOURS = GreenHours(NOW + timedelta(hours=40), timedelta(hours=4), timedelta(minutes=10))


def test_what_is_left_counts_no_restart_as_work() -> None:
    assert HOURS.left([]) == timedelta(hours=4)
    assert HOURS.left([segment(0, 60)]) == timedelta(hours=3, minutes=10)
    assert HOURS.left([segment(0, 60), segment(120, 180)]) == timedelta(hours=2, minutes=20)
    assert HOURS.left([segment(0, None), segment(5, 6)]) == timedelta(hours=4, minutes=10)  # a killed one did nothing


DAY = [(0.0, 500.0), (6 * 3600.0, 100.0), (12 * 3600.0, 500.0)]


def test_a_closed_window_is_waited_for_and_an_open_one_used(grid: Grid) -> None:
    session = grid(NOW, DAY)
    waits = allowance(HOURS, [], session, NOW)
    assert (waits.until, waits.is_over(NOW)) == (NOW, True)
    assert waits.resume_at is not None
    assert abs(waits.resume_at - NOW - timedelta(hours=6)) <= timedelta(minutes=10)
    within = allowance(HOURS, [], session, NOW + timedelta(hours=7))
    assert (within.until, within.resume_at) == (None, None)  # the window is as long as the work


@pytest.mark.parametrize(
    ("before", "word"),
    [
        ([segment(-300, -1)], "longer than --work"),
        ([segment(-30, -20, resume_at=2)], "earlier than planned"),
        ([segment(-90, -80, resume_at=-30), segment(-40, -30)], "earlier than planned"),  # Slurm did not keep it once
    ],
)
def test_it_runs_through(grid: Grid, before: list[Segment], word: str) -> None:
    found = allowance(HOURS, before, grid(NOW, DAY), NOW)
    assert (found.until, found.resume_at) == (None, None)
    assert word in found.why


def test_a_start_that_was_kept_is_planned_again(grid: Grid) -> None:
    before = [segment(-90, -80, resume_at=-30), segment(-30, -20, resume_at=0.5)]
    assert allowance(HOURS, before, grid(NOW, DAY), NOW).resume_at is not None


def test_without_a_usable_grid_it_runs_through(grid: Grid, tmp_path: Path) -> None:
    session = grid(NOW, DAY)
    (tmp_path / "grid.csv").write_text("nonsense\n")
    assert allowance(HOURS, [], session, NOW).until is None
    (tmp_path / "grid.csv").unlink()
    (tmp_path / "ledger.sqlite").write_text("no database")
    assert allowance(HOURS, [], session, NOW).until is None


def test_the_sites_margin_for_the_queue_is_kept_free(grid: Grid) -> None:
    session = grid(NOW, DAY)
    hours = replace(HOURS, finish_by=NOW + timedelta(hours=11))
    assert allowance(hours, [], session, NOW).resume_at is not None
    green = replace(session.config.green, queue_margin="8h")
    careful = replace(session, config=replace(session.config, green=green))
    assert allowance(hours, [], careful, NOW).resume_at is None


@given(some.integers(-(10**7), 10**7), some.integers(1, 10**6), some.integers(1, 10**4))
def test_options_say_the_same_later_and_elsewhere(after_s: int, work_s: int, restart_s: int) -> None:
    hours = GreenHours(NOW + after_s * SECOND, work_s * SECOND, restart_s * SECOND)
    finish_by, work, restart = (option.partition("=")[2] for option in hours.options)
    assert GreenHours.of(finish_by, None, work, restart, NOW) == hours


def test_the_tighter_limit_holds() -> None:
    both = GreenHours.of("2026-06-02T12:00:00+00:00", "6h", "4h", "10m", NOW)
    assert both.finish_by == NOW + timedelta(hours=10)
    assert GreenHours.of("2026-06-01T17:00:00+00:00", "6h", "4h", "10m", NOW).finish_by == NOW + timedelta(hours=5)
