"""Our reading of Slurm's times and durations beside that of the real sbatch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from lab.cluster import Cluster

from vispa_green.errors import TimeFormatError
from vispa_green.times.local_zone import local_zone
from vispa_green.times.slurm_time import parse_duration, parse_time

pytestmark = pytest.mark.slurm

TIMES = (
    "now+60", "now+5minutes", "now + 2 days", "now+1week", "now+1hour", "midnight", "noon", "fika", "teatime",
    "NOON", "tomorrow", "tomorrow 10:30", "10:30 tomorrow", "noon tomorrow", "16:00", "4:00PM", "4:00 pm",
    "11:30:15 am",
    "12:00 am", "12:30 PM", "1130", "1115", "010135", "12/24", "12/24/35", "12.24", "12.24.35", "12/24-10:00",
    "12/24T10:00", "1224-10:00", "12/24 noon", "2035-12-24", "2035-12-24T10:00", "2035-12-24T10:00:30",
    "2035-12-24 10:00", "2035-12-24-10:00",
)  # fmt: skip
NO_TIMES = ("", "9:5", "4PM", "12AM", "13:00PM", "24:00", "12/24/2026", "2035-12-32", "2035-12-24T10", "now+",
            "now+1year", "epoch", "1766000000", "tomorrow+1hour")  # fmt: skip
DURATIONS = ("10", "10:30", "1:2:3", "1-2", "1-2:3", "1-2:3:4", "1-", "100:70", "00:00:30", "5-0", "61:61:61", "1-30",
             "UNLIMITED", "infinite", "-1")  # fmt: skip
NO_DURATIONS = ("1.5", "", "NONE", "300:", "x")


def submit(cluster: Cluster, option: str) -> str | None:
    """Submit a held job with one option; return what Slurm made of it, or nothing where it refused."""
    done = cluster.run("sbatch", "--parsable", "-H", option, "-o", "/dev/null", "--wrap", "true", check=False)
    if done.returncode:
        return None
    shown = cluster.run("scontrol", "show", "job", done.stdout.strip()).stdout
    cluster.run("scancel", done.stdout.strip())
    return shown


def test_a_begin_time_is_what_slurm_makes_of_it(slurm_cluster: Cluster) -> None:
    zone = local_zone({})
    for text in TIMES:
        shown = submit(slurm_cluster, f"--begin={text}")
        assert shown is not None, text
        submitted, start = (
            datetime.fromisoformat(re.findall(rf"{field}=(\S+)", shown)[0]).replace(tzinfo=zone).astimezone(UTC)
            for field in ("SubmitTime", "StartTime")
        )
        assert abs(parse_time(text, submitted, zone) - start) <= timedelta(seconds=2), text
    for text in NO_TIMES:
        assert submit(slurm_cluster, f"--begin={text}") is None, text
        with pytest.raises(TimeFormatError):
            parse_time(text, datetime(2026, 11, 22, tzinfo=UTC), zone)


def test_a_time_limit_is_what_slurm_makes_of_it(slurm_cluster: Cluster) -> None:
    """Slurm rounds up to minutes."""
    for text in DURATIONS:
        shown = submit(slurm_cluster, f"--time={text}")
        assert shown is not None, text
        limit = parse_duration(re.findall(r"TimeLimit=(\S+)", shown)[0])
        ours = parse_duration(text)
        assert limit == (None if ours is None else -(-ours // timedelta(minutes=1)) * timedelta(minutes=1)), text
    for text in NO_DURATIONS:
        assert submit(slurm_cluster, f"--time={text}") is None, text
        with pytest.raises(TimeFormatError):
            parse_duration(text)
