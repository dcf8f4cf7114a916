"""The days of a time zone in SQL, where the roll-ups know quarter-hours."""

from __future__ import annotations

from datetime import date, timedelta, tzinfo

from vispa_green.ledgers._sql.codec import QUARTER_US, utc
from vispa_green.ledgers._sql.connection import Connection
from vispa_green.ledgers._sql.windows import Window

EPOCH_DAY = date(1970, 1, 1).toordinal()


def local_day_sql(connection: Connection, zone: tzinfo, window: Window) -> str:
    """Return the local day of ``q.quarter`` since 1970 as SQL: each change of the zone's offset is one case."""
    start, end = window.start_us, window.end_us
    if start is None:
        rows = connection.read("SELECT (SELECT min(day) FROM owner_day WHERE cluster_id = c.id) FROM cluster c")
        start = min((day - EPOCH_DAY - 1 for (day,) in rows if day is not None), default=0) * 96 * QUARTER_US
    if end is None:
        ((last,),) = connection.read("SELECT max(last_us) FROM job")
        end = (start if last is None else max(start, last)) + 96 * QUARTER_US
    cases = "".join(
        f" WHEN q.quarter < {quarter} THEN {offset}" for quarter, offset in _offsets(zone, start, end)[:-1]
    )
    last_offset = _offsets(zone, start, end)[-1][1]
    offset = f"CASE{cases} ELSE {last_offset} END" if cases else str(last_offset)
    return f"((q.quarter + {offset}) / 96)"


def _offsets(zone: tzinfo, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """Return pairs of the quarter before which an offset (in quarters) holds, the last one without an end."""
    pairs: list[tuple[int, int]] = []
    quarter, end = start_us // QUARTER_US - 96, end_us // QUARTER_US + 96
    offset = _offset(zone, quarter)
    while quarter < end:
        following = quarter + 96
        if _offset(zone, following) != offset:
            change = next(q for q in range(quarter + 1, following + 1) if _offset(zone, q) != offset)
            pairs.append((change, offset))
            offset = _offset(zone, following)
        quarter = following
    return [*pairs, (end, offset)]


def _offset(zone: tzinfo, quarter: int) -> int:
    offset = utc(quarter * QUARTER_US).astimezone(zone).utcoffset() or timedelta(0)
    return offset // timedelta(minutes=15)
