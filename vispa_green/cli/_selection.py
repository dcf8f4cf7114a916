"""Which jobs are meant: the options that ``sacct`` users know, to a `JobChoice`."""

from __future__ import annotations

import os
import re
from datetime import datetime, time, timedelta, tzinfo

from vispa_green.answers.jobs import JobChoice, user_name
from vispa_green.errors import UsageError
from vispa_green.times.slurm_time import parse_time

_JOB_ID = re.compile(r"(?:\d+(?:[_+]\d+)?|run-[\w.-]+)$")
_TIME_OF_DAY = re.compile(r"\s*(?:\d{1,2}:\d{2}.*|midnight|noon|elevenses|fika|teatime)\s*$", re.IGNORECASE)
_ANCHORED = re.compile(r"\s*(?:now|[+]|today|tomorrow|\d{4}-)", re.IGNORECASE)


def choose(
    *,
    jobs: str,
    users: str,
    accounts: str,
    start: str | None,
    end: str | None,
    all_users: bool,
    now: datetime,
    zone: tzinfo,
) -> JobChoice:
    """Return the choice, with ``sacct``'s defaults: my jobs of today; with ``jobs``, those, of any time."""
    job_ids = tuple(job_id(text) for text in _listed(jobs))
    names = tuple(user_name(int(text)) if text.isdigit() else text for text in _listed(users))
    if not names and not all_users and not job_ids:
        names = (user_name(os.getuid()),)
    begin = None if start is None and job_ids else _today(now, zone) if start is None else past_time(start, now, zone)
    until = None if end is None else past_time(end, now, zone)
    if begin is not None and until is not None and until <= begin:
        raise UsageError(f"--endtime {end} is not after --starttime {start or 'today'}")
    return JobChoice(job_ids, () if all_users else names, tuple(_listed(accounts)), begin, until)


def job_id(text: str) -> str:
    """Return the job that ``12``, ``12_3``, ``12+1`` or ``12.batch`` names; energy is accounted for whole jobs."""
    plain = text if text.startswith("run-") else text.partition(".")[0]
    if not _JOB_ID.match(plain):
        raise UsageError(f"{text!r} is no job id; write them like 12, 12_3 or 12,13")
    return plain


def past_time(text: str, now: datetime, zone: tzinfo) -> datetime:
    """Return the latest moment in the past that ``text`` can mean, as ``sacct`` reads it: ``08:00`` is today's.

    A submission reads the same words as the next such moment, which is what `parse_time` does.
    """
    if _ANCHORED.match(text):
        return parse_time(text, now, zone)
    if _TIME_OF_DAY.match(text):
        return parse_time(text, now - timedelta(days=1), zone)
    return parse_time(text, now - timedelta(days=365), zone)


def _today(now: datetime, zone: tzinfo) -> datetime:
    return datetime.combine(now.astimezone(zone).date(), time(), zone)


def _listed(text: str) -> list[str]:
    return [item for item in text.replace(" ", "").split(",") if item]
