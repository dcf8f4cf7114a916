"""``vispa-green memory``: a line for each family of jobs, how to ask, and what is not known is said."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.story import Story

from vispa_green.host import user_name
from vispa_green.model import JobFact

ME = user_name(os.getuid())
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the command asks by the real clock
HOUR = timedelta(hours=1)
PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


def fact(number: int, *, held: int | None = 2000, **changes: Any) -> JobFact:  # noqa: ANN401
    start = NOW - timedelta(days=60) + number * HOUR
    plain = JobFact(
        str(number), str(number), ME, "a", "main", f"train_{number}", "COMPLETED", ("n1",), start - HOUR, start,
        start, start + HOUR, 24 * HOUR, 4, memory_mib=16384, peak_memory_mib=held, uid=os.getuid(),
    )  # fmt: skip
    return replace(plain, **changes)


def told(story: Story, *words: str) -> list[dict[str, Any]]:
    done = story.run("memory", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["families"]
    return found


def test_jobs_that_differ_in_digits_are_one_line_with_what_to_ask_for(story: Story) -> None:
    story.facts(*(fact(number) for number in range(1, 41)))
    (one,) = told(story)
    assert (one["name"], one["memory"]["runs"], one["memory"]["ground"]) == ("train_#", 40, "less")
    assert one["memory"]["advised_mib"] == 2000 * 1.1 + 200, "steady: a tenth in reserve"
    assert one["memory"]["options"] == ["--mem=2400M", "--nodes=1 --mem-per-cpu=600M"]
    assert one["memory"]["record"] == {
        "runs": 40,
        "advised": 24,
        "failed": 0,
        "failure_rate": 0,
        "allocated_per_used": (15 * 2712 + 9 * 2400) / 24 / 2000,
        "asked_per_used": 8.192,
    }
    assert one["time"]["advised_s"] == 3600 * 1.25 + 360
    assert story.run("memory", "train_7").stdout in PAGE.read_text(), "the page shows this very family"


def test_a_family_is_found_by_name_and_by_job(story: Story) -> None:
    story.facts(*(fact(n, name=("fit", "train_1")[n % 2]) for n in range(1, 9)), fact(99, display_id="98_1"))
    assert [one["name"] for one in told(story)] == ["fit", "train_#", "train_#"]
    assert [one["is_array"] for one in told(story, "train_5")] == [False, True]
    assert [one["name"] for one in told(story, "-j", "2")] == ["fit"]
    assert "No such jobs" in story.run("memory", "nothing").stdout


@pytest.mark.parametrize(
    ("changes", "ground"),
    [
        ({"held": None}, "not_known"),
        ({"held": 0}, "not_known"),
        ({"elapsed": timedelta(seconds=40)}, "not_known"),
        ({"nodes": ("n1", "n2"), "held": 8000}, "as_asked"),
        ({"state": "CANCELLED"}, "few_runs"),
        ({"memory_mib": 2600}, "as_asked"),
    ],
    ids=["no figure", "never looked at", "shorter than two looks", "on each node all of it", "not whole", "fits"],
)
def test_where_less_could_end_a_job_it_is_not_advised(story: Story, changes: dict[str, Any], ground: str) -> None:
    story.facts(*(fact(number, **changes) for number in range(1, 41)))
    (one,) = told(story)
    assert (one["memory"]["advised_mib"], one["memory"]["options"], one["memory"]["ground"]) == (None, [], ground)
    assert "--mem" not in story.run("memory").stdout


def test_a_job_that_was_killed_is_advised_more(story: Story) -> None:
    story.facts(fact(1, state="OUT_OF_MEMORY", memory_mib=4096, held=3900))
    (one,) = told(story)
    assert (one["memory"]["ground"], one["memory"]["killed"]) == ("more", 1)
    assert one["memory"]["advised_mib"] >= 1.5 * 4096


def test_others_jobs_are_for_who_keeps_the_ledger(story: Story) -> None:
    story.facts(fact(1), fact(2, user="somebody", uid=54321))
    assert {one["user"] for one in told(story)} == {ME}
    assert {one["user"] for one in told(story, "-a")} == {ME, "somebody"}, "its owner keeps it"
    assert [one["user"] for one in told(story, "-u", "somebody")] == ["somebody"]


def test_baselines_are_replayed_beside_the_rule(story: Story) -> None:
    story.facts(*(fact(number, held=1000 + 10 * (number % 7)) for number in range(1, 60)))
    records = json.loads(story.run("memory", "--compare", "--json").stdout)["records"]
    assert set(records) == {"rule", "as asked", "p95", "1.2 × max"}
    assert records["p95"]["failed"] == 0, "of so few runs it is the largest"
    assert records["as asked"]["allocated_per_used"] == records["as asked"]["asked_per_used"]
