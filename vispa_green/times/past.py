"""Times that lie behind: the words are those of a submission, read as ``sacct`` reads them. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from vispa_green.times.slurm_time import parse_time

_TIME_OF_DAY = re.compile(r"\s*(?:\d{1,2}:\d{2}.*|midnight|noon|elevenses|fika|teatime)\s*$", re.IGNORECASE)
_ANCHORED = re.compile(r"\s*(?:now|[+]|today|tomorrow|\d{4}-)", re.IGNORECASE)


def past_time(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the latest moment in the past that ``text`` can mean, as ``sacct`` reads it: ``08:00`` is today's.

    A submission reads the same words as the next such moment, which is what `parse_time` does.
    """
    if _ANCHORED.match(text):
        return parse_time(text, now, zone)
    if _TIME_OF_DAY.match(text):
        return parse_time(text, now - timedelta(days=1), zone)
    return parse_time(text, now - timedelta(days=365), zone)
