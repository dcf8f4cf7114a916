"""Slurm's grammar of times. What sbatch makes of the same words is asked in tests/slurm/test_slurm_time.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vispa_green.errors import TimeFormatError
from vispa_green.times.slurm_time import finite_duration, parse_duration, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 7, 35, 30, tzinfo=UTC)
SMALL = st.integers(0, 9999)
WALLS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001 - wall times have no zone yet


def local(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[misc,arg-type]


@given(SMALL, SMALL, SMALL, SMALL)
def test_the_six_forms_of_slurm_count_alike(days: int, hours: int, minutes: int, seconds: int) -> None:
    def span(d: int = 0, h: int = 0, m: int = 0, s: int = 0) -> timedelta:
        return timedelta(days=d, hours=h, minutes=m, seconds=s)

    assert parse_duration(f"{minutes}") == span(m=minutes)
    assert parse_duration(f"{minutes}:{seconds}") == span(m=minutes, s=seconds)
    assert parse_duration(f"{hours}:{minutes}:{seconds}") == span(h=hours, m=minutes, s=seconds)
    assert parse_duration(f"{days}-{hours}") == span(days, hours)
    assert parse_duration(f"{days}-{hours}:{minutes}") == span(days, hours, minutes)
    assert parse_duration(f"{days}-{hours}:{minutes}:{seconds}") == span(days, hours, minutes, seconds)
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == span(days, hours, minutes, seconds)


@pytest.mark.parametrize("text", ["UNLIMITED", "unlimited", "INFINITE", "infinite", "-1"])
def test_unlimited_is_none(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize("text", ["", " ", "1.5", "NONE", "300:", "-", "4 parsecs", "h", "-5", "1:2:3:4", "9" * 9])
def test_no_duration_says_what_is_accepted(text: str) -> None:
    with pytest.raises(TimeFormatError, match="days-hours:minutes:seconds"):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_duration_or_an_error_of_ours(text: str) -> None:
    try:
        duration = parse_duration(text)
    except TimeFormatError:
        return
    assert duration is None or duration >= timedelta(0)


@given(st.text() | st.from_regex(r"[0-9:/.\- apmt+now]{1,12}", fullmatch=True))
def test_any_text_is_a_time_or_an_error_of_ours(text: str) -> None:
    try:
        moment = parse_time(text, NOW, BERLIN)
    except TimeFormatError:
        return
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("now+60", NOW + timedelta(minutes=1)),
        ("now + 2 days", NOW + timedelta(days=2)),
        ("now+1week", NOW + timedelta(weeks=1)),
        ("now-60", NOW - timedelta(minutes=1)),
        ("+24h", NOW + timedelta(days=1)),
        ("+1d12h", NOW + timedelta(hours=36)),
        ("midnight", local(2026, 11, 23)),
        ("NOON", local(2026, 11, 22, 12)),
        ("elevenses", local(2026, 11, 22, 11)),
        ("fika", local(2026, 11, 22, 15)),
        ("teatime", local(2026, 11, 22, 16)),
        ("today", local(2026, 11, 22)),
        ("tomorrow", local(2026, 11, 23)),
        ("tomorrow 10:30", local(2026, 11, 23, 10, 30)),
        ("10:30 tomorrow", local(2026, 11, 23, 10, 30)),
        ("noon tomorrow", local(2026, 11, 23, 12)),
        ("16:00", local(2026, 11, 22, 16)),
        ("8:00", local(2026, 11, 23, 8)),  # past: it is 08:35 here
        ("4:00 PM", local(2026, 11, 22, 16)),
        ("12:00 am", local(2026, 11, 23)),
        ("11:30:15am", local(2026, 11, 22, 11, 30, 15)),
        ("1130", local(2026, 11, 30)),
        ("1115", local(2027, 11, 15)),
        ("010127", local(2027, 1, 1)),
        ("12/24", local(2026, 12, 24)),
        ("12/24/26", local(2026, 12, 24)),
        ("12.24.26", local(2026, 12, 24)),
        ("12/24-10:00", local(2026, 12, 24, 10)),
        ("12/24 noon", local(2026, 12, 24, 12)),
        ("2026-12-24", local(2026, 12, 24)),
        ("2026-12-24T10:00:30", local(2026, 12, 24, 10, 0, 30)),
    ],
)
def test_a_time_is_what_slurm_makes_of_it(text: str, moment: datetime) -> None:
    assert parse_time(text, NOW, BERLIN) == moment


@pytest.mark.parametrize(
    "text",
    ["", "4PM", "9:5", "13:00PM", "24:00", "12/24/2026", "2026-12-32", "2026-02-29", "2026-12-24T10", "now+",
     "now+1year", "soon", "10:00 11:00", "today tomorrow", "1766000000", "2026-12-24T10:00Z", "now+99999999999"],
)  # fmt: skip
def test_no_time_says_what_is_accepted(text: str) -> None:
    with pytest.raises(TimeFormatError, match="YYYY-MM-DD"):
        parse_time(text, NOW, BERLIN)


@given(WALLS.map(lambda moment: moment.replace(microsecond=0)))
def test_a_written_wall_time_reads_back_across_changes_of_summer_time(wall: datetime) -> None:
    """Where the wall time exists, the moment found shows it again; where it is skipped, an hour later."""
    found = parse_time(f"{wall:%Y-%m-%dT%H:%M:%S}", NOW, BERLIN).astimezone(BERLIN).replace(tzinfo=None)
    assert found - wall in {timedelta(0), timedelta(hours=1)}


def test_tomorrow_is_as_long_as_the_day_is() -> None:
    """On 25 October 2026 the local day has 25 hours."""
    midnight = local(2026, 10, 25)
    assert parse_time("tomorrow", midnight, BERLIN) - midnight == timedelta(hours=25)
    assert parse_time("now+1day", midnight, BERLIN) - midnight == timedelta(hours=24)


@given(WALLS, st.integers(0, 23), st.integers(0, 59))
def test_a_bare_time_of_day_is_never_past(wall: datetime, hour: int, minute: int) -> None:
    now = wall.replace(tzinfo=UTC)
    moment = parse_time(f"{hour}:{minute:02d}", now, BERLIN)
    assert now < moment <= now + timedelta(hours=26)


@pytest.mark.parametrize("text", ["UNLIMITED", "-1", "0", "٣", "4²"])
def test_a_length_that_has_to_be_finite_is_none_of_these(text: str) -> None:
    with pytest.raises(TimeFormatError):
        finite_duration(text, "a length", least=timedelta(seconds=1))
