"""``vispa-green tag``: what users say of their jobs afterwards is in the sums by project, and nobody else's."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from lab.story import Story

from vispa_green.host import user_name
from vispa_green.model import Component, JobFact

START = datetime(2026, 11, 17, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SINCE = ("-S", "2026-11-17", "-E", "2026-11-18")


def fact(job_id: str, **changes: object) -> JobFact:
    plain: dict[str, object] = {
        "job_id": job_id, "display_id": job_id, "user": user_name(os.getuid()), "account": "a",
        "partition": "main", "name": f"train{job_id}", "state": "COMPLETED", "nodes": ("n1",), "submit": START,
        "eligible": START, "start": START, "end": START + HOUR, "time_limit": None, "cpus": 1, "uid": os.getuid(),
    }  # fmt: skip
    return JobFact(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.fixture
def two_jobs(story: Story) -> Story:
    shares = {job: (energy_j * 10**6, 0) for job, energy_j in (("1", 100), ("2", 900))}
    story.interval(START, 3600, {Component.CPU: shares})
    story.facts(fact("1"), fact("2"))
    return story


def by_project(story: Story, *more: str) -> dict[str, int]:
    done = story.run("energy", "-a", "--by", "project", "--json", *SINCE, *more)
    assert done.returncode == 0, done.stderr
    return {row["project"]: row["energy_uj"] // 10**6 for row in json.loads(done.stdout)["totals"]}


def test_a_tag_is_in_the_sums_at_once(two_jobs: Story) -> None:
    done = two_jobs.run("tag", "-j", "1,2", "paper-x")
    assert (done.returncode, done.stdout) == (0, "job 1: paper-x\njob 2: paper-x\n")
    assert by_project(two_jobs) == {"paper-x": 1000}
    assert two_jobs.run("tag", "-j", "2", "--split", "paper-x=0.25,thesis=0.75").returncode == 0
    assert by_project(two_jobs) == {"paper-x": 325, "thesis": 675}
    assert by_project(two_jobs, "--project", "thesis") == {"thesis": 675}
    assert two_jobs.run("tag", "-j", "2", "--clear").stdout == "job 2: no tag any more\n"
    assert by_project(two_jobs) == {"": 900, "paper-x": 100}


def test_who_tagged_what_stays_on_record(two_jobs: Story) -> None:
    for project in ("a", "b"):
        two_jobs.run("tag", "-j", "1", project)
    records = json.loads(two_jobs.run("tag", "-j", "1", "--json").stdout)["tags"]
    assert [record["project"] for record in records] == ["a", "b"]
    assert {record["submit"] for record in records} == {"2026-11-17T09:00:00Z"}
    assert two_jobs.run("tag", "-j", "2").stdout == "No tags.\n"


def test_jobs_by_name_and_time(two_jobs: Story) -> None:
    assert two_jobs.run("tag", "--name", "train2", *SINCE, "paper-x").stdout == "job 2: paper-x\n"
    assert two_jobs.run("tag", "--name", "none", *SINCE, "paper-x").stdout == "No such jobs: nothing was tagged.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-j", "1", "a", "--clear"), "give one of"),
        (("-j", "1", "--split", "a=0.5,b=0.6"), "exactly 1"),
        (("-j", "1", "a|b"), "no name for a project"),
        (("-j", "1,777", "a"), "no job 777 of yours: nothing was tagged"),
        (("a",), "which jobs?"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_tags_nothing(
    two_jobs: Story, arguments: tuple[str, ...], says: str
) -> None:
    done = two_jobs.run("tag", *arguments)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert by_project(two_jobs) == {"": 1000}
