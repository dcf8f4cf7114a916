"""What was promised beside what came: only measured values judge, and a worse outcome is called so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.energy.carbon import GridSignal
from vispa_green.model import (
    Component,
    GridKind,
    GridValue,
    JobAccount,
    JobFact,
    JobKey,
    JobPosting,
    Move,
    Promise,
    Quality,
    Quantity,
)
from vispa_green.shifting.promises import PAUSING, Verdict, belongs, in_one_piece, is_of, outcome
from vispa_green.times.local_zone import local_zone, zone_name

T0 = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = Path("/usr/share/zoneinfo/Europe/Berlin")
KWH = 3_600_000_000_000
CO2 = Quantity.CARBON_INTENSITY
PROMISE = Promise("7", "ada", T0, T0 + 2 * HOUR, HOUR, T0 + 9 * HOUR, CO2, 100, 400, "best_mean", "greenest", "lab")


def fact(**changes: object) -> JobFact:
    plain = JobFact("7", "7", "ada", "", "", "", "COMPLETED", (), T0, T0, T0 + 2 * HOUR, T0 + 3 * HOUR, None, 1)
    return replace(plain, **changes)  # type: ignore[arg-type]


def posting(hour: int, component: Component = Component.CPU, node: str = "n1") -> JobPosting:
    key = JobKey("lab", "7", T0)
    return JobPosting(key, node, component, Quality.MEASURED, T0 + hour * HOUR, T0 + (hour + 1) * HOUR, KWH, 0)


def measured(*hourly: float) -> dict[Quantity, GridSignal]:
    values = [
        GridValue(CO2, GridKind.MEASURED, T0 + i * HOUR, T0 + (i + 1) * HOUR, number, "x", T0, T0)
        for i, number in enumerate(hourly)
    ]
    return {CO2: GridSignal.from_values(values, CO2)}


@pytest.mark.parametrize(
    ("hourly", "saved_g", "verdict"),
    [
        ((400, 300, 100), 300, Verdict.BETTER),
        ((100, 300, 400), -300, Verdict.WORSE),
        ((200, 300, 200), 0, Verdict.SAME),
        ((400, 300), None, Verdict.UNKNOWN),
    ],
)
def test_the_same_energy_at_submission_is_the_yardstick(
    hourly: tuple[float, ...], saved_g: float | None, verdict: Verdict
) -> None:
    found = outcome(PROMISE, [fact()], [posting(2)], measured(*hourly))
    assert found.saved_g == (None if saved_g is None else pytest.approx(saved_g))
    assert found.verdict is verdict
    assert found.delay == timedelta(0)


def test_energy_from_just_before_slurms_second_is_not_moved_to_before_the_submission() -> None:
    """The grid is known from the submission on; a third of a second before it would make the whole unknown."""
    early = replace(posting(2), start=T0 + 2 * HOUR - timedelta(seconds=0.3))
    found = outcome(PROMISE, [fact()], [early], measured(400, 300, 100))
    assert found.at_submission is not None
    assert found.at_submission.covered_fraction == 1
    assert found.verdict is Verdict.BETTER


def test_a_job_that_paused_is_compared_with_one_piece_at_submission() -> None:
    """Two hours of work, the second after a pause of three: 400, 300 at once, 400, 100 with the pause."""
    promise = replace(PROMISE, policy=PAUSING, planned_start=T0)
    last_run = fact(start=T0 + 4 * HOUR, end=T0 + 5 * HOUR)
    found = outcome(promise, [last_run], [posting(0), posting(4)], measured(400, 300, 300, 300, 100))
    assert (found.start, found.delay) == (T0, timedelta(0))
    assert found.saved_g == pytest.approx((400 + 300) - (400 + 100))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4), st.sampled_from("ab")), min_size=1))
def test_one_piece_keeps_all_energy_has_no_hole_and_moves_nothing_later(pieces: list[tuple[int, int, str]]) -> None:
    charged = [
        replace(posting(h), key=JobKey("lab", job, T0), end=T0 + (h + length) * HOUR) for h, length, job in pieces
    ]
    moved = in_one_piece(charged, T0)
    assert Counter((p.key, p.end - p.start) for p in moved) == Counter((p.key, p.end - p.start) for p in charged)
    for job in {p.key for p in charged}:
        own = sorted((p.start, p.end) for p in moved if p.key == job)
        until = T0
        for start, end in own:
            assert start <= until
            until = max(until, end)
        assert own[0][0] == T0
        assert until <= max(p.end for p in charged if p.key == job)
    assert Counter(in_one_piece(moved, T0)) == Counter(moved)


def test_a_moved_start_is_told_from_the_last_plan_and_judged_against_submission() -> None:
    """Planned for the third hour, moved to the fourth, then to the fifth, where it ran."""
    moves = [
        Move("7", T0, T0 + HOUR, "root", T0 + (h - 1) * HOUR, T0 + h * HOUR, CO2, 100, 90, "greener") for h in (3, 4)
    ]
    of_another = replace(moves[0], submitted=T0 - 900 * HOUR, after=T0)
    ran = fact(start=T0 + 4 * HOUR, end=T0 + 5 * HOUR)
    found = outcome(PROMISE, [ran], [posting(4)], measured(400, 300, 200, 100, 50), [*moves, of_another])
    assert found.moves == tuple(moves)
    assert (found.planned, found.delay) == (T0 + 4 * HOUR, timedelta(0))
    assert found.saved_g == pytest.approx(350)
    assert found.promise.planned_start == T0 + 2 * HOUR
    unmoved = outcome(PROMISE, [ran], [posting(4)], measured(400, 300, 200, 100, 50))
    assert (unmoved.saved_g, unmoved.delay) == (found.saved_g, 2 * HOUR)


def test_the_measured_mean_is_weighted_by_energy() -> None:
    found = outcome(PROMISE, [fact()], [posting(1), posting(2), posting(2, node="n2")], measured(0, 100, 400))
    assert found.measured_mean == pytest.approx(300)


def test_without_energy_nothing_is_claimed() -> None:
    found = outcome(PROMISE, [fact()], [], measured(400, 300, 100))
    assert (found.verdict, found.measured_mean) == (Verdict.UNKNOWN, None)


def test_waiting_and_cancelled_jobs_have_not_started() -> None:
    waiting, cancelled = fact(start=None, end=None), fact(start=T0 + HOUR, end=T0 + HOUR)
    for known in ([], [waiting], [cancelled]):
        assert outcome(PROMISE, known, [], measured(1)).verdict is Verdict.NOT_STARTED


def test_tasks_and_components_belong_to_their_job() -> None:
    assert belongs(fact(job_id="9", display_id="7_2"), "7")
    assert belongs(fact(job_id="8", display_id="7+1"), "7")
    assert not belongs(fact(job_id="71", display_id="71"), "7")


def account(job_id: str = "7", submitted: datetime | None = T0, cluster: str = "lab", shown: str = "") -> JobAccount:
    known = fact(job_id=job_id, display_id=shown, submit=submitted) if shown else None
    return JobAccount(JobKey(cluster, job_id, submitted), known, None)


def test_a_promise_is_of_one_job_and_not_of_its_number() -> None:
    """The number comes again next year, and on another cluster at once."""
    assert is_of(PROMISE, account())
    assert is_of(PROMISE, account("9", shown="7_2"))
    assert is_of(PROMISE, account(submitted=None)), "nothing says that it is another"
    assert is_of(PROMISE, account(submitted=T0 - timedelta(seconds=2))), "Slurm took it before the promise was kept"
    assert not is_of(PROMISE, account(submitted=T0 + timedelta(days=365)))
    assert not is_of(PROMISE, account(cluster="other"))
    assert not is_of(PROMISE, account("71"))


def test_the_local_zone_is_that_of_tz_else_the_systems(tmp_path: Path) -> None:
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    assert summer.astimezone(local_zone({"TZ": "Europe/Berlin"})).hour == 2
    assert local_zone({"TZ": "no/such/zone"}) is UTC
    assert local_zone({}, tmp_path / "none") is UTC


@pytest.mark.skipif(not BERLIN.exists(), reason="needs the zones of the system (apt install tzdata)")
def test_a_zone_is_called_as_people_call_it(tmp_path: Path) -> None:
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    link, copy = tmp_path / "link", tmp_path / "copy"
    link.symlink_to(BERLIN)
    copy.write_bytes(BERLIN.read_bytes())
    names = [zone_name(local_zone({}, zone), summer) for zone in (link, copy, tmp_path / "none")]
    assert names == ["Europe/Berlin", "CEST", "UTC"]
    assert zone_name(ZoneInfo("Etc/UTC"), summer) == "UTC"
