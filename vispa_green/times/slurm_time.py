"""Slurm's grammar of durations and times (sbatch(1), ``--time`` and ``--begin``), and a few friendly forms. Pure.

What sbatch 22.05 does with each form was tried on a real controller; see ``tests/slurm/test_slurm_time.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from vispa_green.errors import TimeFormatError

DURATION_FORMS = (
    "minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds, "
    "4h, 90m, 1d12h, UNLIMITED"
)
TIME_FORMS = (
    "now+90minutes, +24h, HH:MM[:SS] [AM|PM], midnight, noon, elevenses, fika, teatime, today [HH:MM], "
    "tomorrow [HH:MM], MMDD[YY], MM/DD[/YY], MM.DD[.YY], YYYY-MM-DD[THH:MM[:SS]]"
)
LONGEST = timedelta(days=36525)

_UNLIMITED = frozenset({"unlimited", "infinite", "-1"})
_CLOCK = re.compile(r"(?:(?P<days>\d{1,9})-)?(?P<fields>\d{1,9}(?::\d{1,9}){0,2})?", re.ASCII)
_COUNTED = re.compile(r"\s*(\d{1,9})(?!\d)\s*([a-z]*)", re.ASCII)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_UNIT_WORDS = {
    "": "s", "s": "s", "sec": "s", "second": "s", "seconds": "s",
    "m": "m", "min": "m", "minute": "m", "minutes": "m",
    "h": "h", "hour": "h", "hours": "h",
    "d": "d", "day": "d", "days": "d",
    "w": "w", "week": "w", "weeks": "w",
}  # fmt: skip
_TIMES_OF_DAY = {
    "midnight": time(0),
    "noon": time(12),
    "elevenses": time(11),
    "fika": time(15),
    "teatime": time(16),
}
_PIECE = re.compile(
    r"(?P<clock>(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[ap]m)?(?![\d:a-z]))"
    r"|(?P<iso>(?P<year>\d{4})-(?P<iso_month>\d{1,2})-(?P<iso_day>\d{1,2})(?!\d))"
    r"|(?P<day>(?P<m1>\d{1,2})/(?P<d1>\d{1,2})(?:/(?P<y1>\d{2}))?(?![\d/])"
    r"|(?P<m2>\d{1,2})\.(?P<d2>\d{1,2})(?:\.(?P<y2>\d{2}))?(?![\d.])"
    r"|(?P<m3>\d{2})(?P<d3>\d{2})(?P<y3>\d{2})?(?!\d))"
    r"|(?P<word>[a-su-z][a-z]*|t[a-z]+)"
    r"|(?P<join>\s+|t(?=\d)|-(?=\d))",
    re.ASCII,
)


def parse_duration(text: str) -> timedelta | None:
    """Return the duration, ``None`` for an unlimited one; raise `TimeFormatError` for anything else.

    A bare number counts minutes, as everywhere in Slurm. Seconds are kept, although Slurm rounds a
    time limit up to minutes, and ``0`` is a zero here, although as a time limit it means no limit.
    """
    plain = text.strip().lower()
    if plain in _UNLIMITED:
        return None
    duration = _clock_duration(plain) if _CLOCK.fullmatch(plain) else _counted(plain, allow_bare=False)
    if not plain or duration is None or duration > LONGEST:
        raise TimeFormatError(f"{text!r} is no duration; accepted are {DURATION_FORMS}")
    return duration


def finite_duration(text: str, what: str, *, least: timedelta = timedelta(0)) -> timedelta:
    """Return the duration; raise `TimeFormatError` for an unlimited one, or one shorter than ``least``, too.

    ``what`` says in the error what the text is of.
    """
    duration = parse_duration(text)
    if duration is None:
        raise TimeFormatError(f"{what} has to be finite, not {text!r}")
    if duration < least:
        raise TimeFormatError(f"{what} has to be at least {least.total_seconds():g} s long, not {text!r}")
    return duration


def parse_time(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the moment in UTC that ``text`` means in ``zone`` at ``now``; raise `TimeFormatError` otherwise.

    As in Slurm, a time of day that is past means tomorrow, a date without a year that is past means
    next year, and a date alone means its midnight. A wall time that a change to summer time skips is
    read with the offset before the change, one that occurs twice is its first occurrence.
    """
    plain = text.strip().lower()
    try:
        shift = _shift(plain)
        if shift is not None:
            return now.astimezone(UTC) + shift
        return _Pieces.of(plain).moment(now, zone)
    except (ValueError, OverflowError) as error:
        raise TimeFormatError(f"{text!r} is no time ({error}); accepted are {TIME_FORMS}") from None


def _clock_duration(plain: str) -> timedelta | None:
    match = _CLOCK.fullmatch(plain)
    assert match is not None
    fields = [int(field) for field in (match["fields"] or "0").split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = [*fields, 0, 0][:3]
    elif len(fields) == 3:
        hours, minutes, seconds = fields
    else:
        hours, (minutes, seconds) = 0, [*fields, 0][:2]
    total_s = ((int(match["days"] or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    return timedelta(seconds=min(total_s, int(LONGEST.total_seconds()) + 1))


def _counted(plain: str, *, allow_bare: bool) -> timedelta | None:
    """Return the sum of ``<count><unit>…``, ``None`` if it is not of that form."""
    total, position = timedelta(0), 0
    while position < len(plain):
        match = _COUNTED.match(plain, position)
        if match is None or match[2] not in _UNIT_WORDS or not (match[2] or (allow_bare and match[0] == plain)):
            return None
        total += min(int(match[1]) * _UNITS[_UNIT_WORDS[match[2]]], LONGEST + timedelta(days=1))
        position = match.end()
    return total


def _shift(plain: str) -> timedelta | None:
    """Return the distance from now for ``now``, ``now+…``, ``now-…`` and ``+…``, else ``None``."""
    rest = plain.removeprefix("now").strip()
    if rest == plain and not plain.startswith("+"):
        return None
    if not rest:
        return timedelta(0)
    counted = _counted(rest[1:].strip(), allow_bare=True) if rest[0] in "+-" and rest[1:].strip() else None
    if counted is None or counted > LONGEST:
        raise ValueError("the distance from now is not understood")
    return counted if rest[0] == "+" else -counted


@dataclass(slots=True)
class _Pieces:
    """What a text says of a moment: a day (perhaps without a year), a time of day, or both."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    days_ahead: int | None = None
    clock: time | None = None

    @classmethod
    def of(cls, plain: str) -> _Pieces:
        """Read the pieces in either order; each may occur once."""
        pieces = cls()
        for match in _scan(plain):
            pieces.add(match)
        if pieces == cls():
            raise ValueError("it names neither a day nor a time of day")
        return pieces

    def moment(self, now: datetime, zone: tzinfo) -> datetime:
        """Return the moment in UTC."""
        here = now.astimezone(zone)
        clock = self.clock or time(0)
        if self.days_ahead is not None:
            return _utc(here.date() + timedelta(days=self.days_ahead), clock, zone)
        if self.month is None or self.day is None:
            today = _utc(here.date(), clock, zone)
            return today if today > now else _utc(here.date() + timedelta(days=1), clock, zone)
        if self.year is not None:
            return _utc(date(self.year, self.month, self.day), clock, zone)
        this_year = _utc(date(here.year, self.month, self.day), clock, zone)
        return this_year if this_year > now else _utc(date(here.year + 1, self.month, self.day), clock, zone)

    def add(self, match: re.Match[str]) -> None:
        """Take in one piece of the text."""
        if word := match["word"]:
            self._add_word(word)
        elif match["clock"]:
            self._set_clock(_clock(match))
        elif match["iso"]:
            self._set_day(int(match["year"]), int(match["iso_month"]), int(match["iso_day"]))
        elif match["day"]:
            month, day, year = next((match[f"m{i}"], match[f"d{i}"], match[f"y{i}"]) for i in "123" if match[f"m{i}"])
            self._set_day(2000 + int(year) if year else None, int(month), int(day))

    def _add_word(self, word: str) -> None:
        if word in _TIMES_OF_DAY:
            self._set_clock(_TIMES_OF_DAY[word])
        elif word in {"today", "tomorrow"}:
            if self.days_ahead is not None or self.month is not None:
                raise ValueError("it names two days")
            self.days_ahead = int(word == "tomorrow")
        else:
            raise ValueError(f"{word!r} is not understood")

    def _set_clock(self, clock: time) -> None:
        if self.clock is not None:
            raise ValueError("it names two times of day")
        self.clock = clock

    def _set_day(self, year: int | None, month: int, day: int) -> None:
        if self.month is not None or self.days_ahead is not None:
            raise ValueError("it names two days")
        self.year, self.month, self.day = year, month, day


def _scan(plain: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(plain):
        match = _PIECE.match(plain, position)
        if match is None:
            raise ValueError(f"{plain[position:]!r} is not understood")
        yield match
        position = match.end()


def _clock(match: re.Match[str]) -> time:
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if half := match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"there is no {hour} o'clock {half.upper()}")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute, second)


def _utc(day: date, clock: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
