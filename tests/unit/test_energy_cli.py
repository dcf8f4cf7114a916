"""``vispa-green energy`` as installed, on real ledger files."""

from __future__ import annotations

import json
import os
import pwd
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lab.story import Story

from vispa_green.cli._selection import choose, job_id
from vispa_green.errors import UsageError
from vispa_green.model import Component, JobFact, Quality, Quantity
from vispa_green.slurm.jobs import FIELDS
from vispa_green.times.past import past_time

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ME = pwd.getpwuid(os.getuid()).pw_name
OTHER_UID = 54321


def fact(job: str, display: str, start: datetime, end: datetime | None, user: str = ME) -> JobFact:
    return JobFact(
        job, display, user, "physics", "main", f"job|{job}", "COMPLETED", ("n1",), start, start, start, end, None, 2
    )


@pytest.fixture
def told(story: Story) -> Story:
    """Job 12 of mine (1 h), task 13_2 (raw id 15) of mine, 99 of another user; half an hour of grid."""
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    for minute in range(0, 60, 30):
        story.interval(
            start + timedelta(minutes=minute),
            1800,
            {Component.CPU: {"12": (500_000_000, 100_000_000)}, Component.DRAM: {"12": (50_000_000, 10_000_000)}},
        )
    story.interval(start + timedelta(hours=2), 60, {Component.CPU: {"15": (7, 3)}}, quality=Quality.ESTIMATED)
    story.interval(start, 60, {Component.GPU: {"99": (123, 0)}}, node="n2", uid=OTHER_UID)
    story.grid(Quantity.CARBON_INTENSITY, start, [360.0], timedelta(minutes=30))
    story.facts(
        fact("12", "12", start, start + timedelta(hours=1)),
        fact("15", "13_2", start + timedelta(hours=2), start + timedelta(hours=2, minutes=1)),
        fact("16", "16", start, start + timedelta(hours=1)),
    )
    return story


def jobs(story: Story, *arguments: str) -> dict[str, dict[str, Any]]:
    done = story.run("energy", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["meta"] == {"version": 1}
    return {job["job_id"]: job for job in body["jobs"]}


def test_json_has_the_promised_keys_in_order_and_exact_sums(told: Story) -> None:
    job = jobs(told, "-j", "12")["12"]
    assert list(job)[:14] == [
        "job_id", "user", "account", "nodes", "start", "end", "cpu_energy_uj", "dram_energy_uj", "gpu_energy_uj",
        "idle_energy_uj", "energy_uj", "co2_g", "quality", "coverage",
    ]  # fmt: skip
    assert (job["cpu_energy_uj"], job["dram_energy_uj"], job["gpu_energy_uj"]) == (1_000_000_000, 100_000_000, 0)
    assert (job["idle_energy_uj"], job["energy_uj"]) == (220_000_000, 1_320_000_000)
    assert (job["start"], job["end"]) == ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z")
    assert (job["user"], job["account"], job["nodes"]) == (ME, "physics", ["n1"])
    assert (job["quality"], job["coverage"], job["co2_coverage"]) == ("measured", 1.0, 0.5)
    assert job["co2_g"] == pytest.approx(660e6 / 3.6e12 * 360)


def test_my_own_jobs_are_the_default_and_all_users_are_asked_for(told: Story) -> None:
    assert set(jobs(told, "-S", "2026-11-20")) == {"12", "13_2", "16"}
    assert set(jobs(told, "-S", "2026-11-20", "-a")) == {"12", "13_2", "16", "99"}
    assert set(jobs(told, "-S", "2026-11-20", "-u", str(OTHER_UID))) == {"99"}
    assert jobs(told) == {}, "none of them ran today"


@pytest.mark.parametrize(
    ("asked", "found"),
    [("12", "12"), ("13_2", "13_2"), ("13", "13_2"), ("12,13", "12 13_2"), ("12.batch", "12"), ("99", "99")],
)
def test_jobs_are_named_as_with_sacct(told: Story, asked: str, found: str) -> None:
    assert set(jobs(told, "-j", asked)) == set(found.split())


def test_the_whole_run_counts_whatever_the_span(told: Story) -> None:
    job = jobs(told, "-S", "2026-11-20T10:40", "-E", "2026-11-20T10:50")["12"]
    assert job["energy_uj"] == 1_320_000_000


TIMES = ("2026-11-20T09:59:59", "2026-11-20T10:07", "2026-11-20T10:15", "2026-11-20T10:40:01", "2026-11-20T12:00:30")


def joules(story: Story, *arguments: str) -> Counter[str]:
    """Return the energy in µJ by job."""
    return +Counter({job: row["energy_uj"] or 0 for job, row in jobs(story, "-a", *arguments).items()})


@pytest.mark.parametrize("sums", [("-T",), ("--by", "job")], ids=" ".join)
def test_adjacent_times_add_up_to_their_union_and_no_job_counts_twice(told: Story, sums: tuple[str, ...]) -> None:
    def within(start: str, end: str) -> Counter[str]:
        if sums == ("-T",):
            return joules(told, "-T", "-S", start, "-E", end)
        done = told.run("energy", "-a", "--by", "job", "--json", "-S", start, "-E", end)
        return +Counter({row["job_id"]: row["energy_uj"] for row in json.loads(done.stdout)["totals"]})

    pieces: Counter[str] = Counter()
    for start, end in pairwise(TIMES):
        pieces += within(start, end)
    assert pieces == within(TIMES[0], TIMES[-1])
    assert pieces["12"] == 1_320_000_000
    assert sum(within("2026-11-20", "2026-11-21").values()) == 1_320_000_000 + 10 + 123


def test_without_truncation_every_span_tells_whole_runs(told: Story) -> None:
    whole = joules(told, "-S", "2026-11-20")["12"]
    for start, end in pairwise(TIMES[:4]):
        assert joules(told, "-S", start, "-E", end)["12"] == whole


def test_accounts_restrict(told: Story) -> None:
    assert set(jobs(told, "-a", "-S", "2026-11-20", "-A", "physics")) == {"12", "13_2", "16"}


def test_a_job_no_agent_saw_is_listed_without_energy(told: Story) -> None:
    job = jobs(told, "-j", "16")["16"]
    assert [job[key] for key in ("energy_uj", "cpu_energy_uj", "co2_g", "coverage", "quality")] == [
        None, None, None, 0.0, "gap",
    ]  # fmt: skip


def test_people_read_a_table_with_units_and_a_total_that_fits_a_terminal(told: Story) -> None:
    done = told.run("energy", "-j", "12,16")
    header, dashes, row, unseen, _, total, note = done.stdout.splitlines()
    assert header.split() == ["JobID", "JobName", "User", "State", "Elapsed", "Energy", "CO2", "Coverage"]
    assert set(dashes) == {"-", " "}
    assert row.split() == ["12", "job|12", ME, "COMPLETED", "01:00:00", "1320", "J", "0.07", "g", "100", "%"]
    assert unseen.count("–") == 2
    assert total == "Total of 2 jobs: 1320 J, 0.07 g CO2 of the 50 % whose grid is known; 1 not seen by any agent"
    assert "3 600 000 J" in note
    assert max(map(len, done.stdout.splitlines()[:4])) <= 80


def test_the_long_table_has_the_parts(told: Story) -> None:
    done = told.run("energy", "-l", "-j", "12,16")
    header, _, row, unseen, *_ = done.stdout.splitlines()
    assert header.split()[5:11] == ["Elapsed", "CPUEnergy", "DRAMEnergy", "GPUEnergy", "IdleEnergy", "Energy"]
    assert "1000 J" in row
    assert unseen.count("–") == 6


def test_jobs_that_wait_or_never_started_are_not_unseen(told: Story) -> None:
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    waiting = replace(fact("21", "21", start, None), start=None, state="PENDING")
    cancelled = replace(fact("22", "22", start, start), state="CANCELLED")
    told.facts(waiting, cancelled)
    done = told.run("energy", "-j", "16,22")
    assert "Total of 2 jobs" in done.stdout
    assert done.stdout.splitlines()[-2].endswith("; 1 never started; 1 not seen by any agent")
    assert "Total" not in told.run("energy", "-j", "21").stdout, "whether it still waits, only Slurm knows"


def test_parsable_output_is_in_joules_and_quoted_where_a_name_has_the_delimiter(told: Story) -> None:
    columns = "jobid,jobname,energy%4,start"
    done = told.run("energy", "-P", "-j", "12", "-o", columns)
    assert done.stdout == 'JobID|JobName|Energy|Start\n12|"job|12"|1320.000000|2026-11-20T10:00:00\n'
    done = told.run("energy", "-p", "-n", "-j", "12", "-o", columns, "--delimiter=;")
    assert done.stdout == "12;job|12;1320.000000;2026-11-20T10:00:00;\n"


def test_columns_have_the_width_asked_for(told: Story) -> None:
    done = told.run("energy", "-n", "-j", "12", "-o", "jobname%5,energy%-12,user%20")
    assert done.stdout == f"job|+ {'1320 J':<12} {ME:>20}\n"


def test_mistakes_are_one_line(told: Story, tmp_path: Path) -> None:
    for arguments, says in (
        (("-o", "enery"), "no field called 'enery' – did you mean 'energy'?; --helpformat lists them"),
        (("-j", "x"), "'x' is no job id"),
        (("-S", "noonish"), "'noonish' is no time"),
        (("-S", "2026-11-20", "-E", "2026-11-19"), "is not after"),
    ):
        done = told.run("energy", *arguments)
        assert done.returncode == 1
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
    (tmp_path / "ledger.sqlite").unlink()
    missing = told.run("energy")
    assert "there is no ledger at" in missing.stderr
    assert missing.stderr.count("\n") == 1


def test_a_slurm_that_does_not_answer_is_one_warning(told: Story, tmp_path: Path) -> None:
    """The commands are there but fail, as with a controller that is down."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sacct", "scontrol", "squeue"):
        (programs / name).write_text("#!/bin/sh\necho 'sacct: error: no route to slurmdbd' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    told.config.write_text(told.config.read_text().replace("enabled = false", "enabled = true"))
    done = told.run("energy", "--json", "-j", "12", PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 0
    (slurm_line,) = [line for line in done.stderr.splitlines() if "slurmdbd" in line]
    assert slurm_line.startswith("warning: sacct failed: sacct: error: no route to slurmdbd")
    assert json.loads(done.stdout)["jobs"][0]["energy_uj"] == 1_320_000_000


def test_what_slurm_says_is_laid_over_and_kept(told: Story, tmp_path: Path) -> None:
    """Programs that print what sacct prints; on the second call they are gone, and the name is still known."""
    programs = tmp_path / "bin"
    programs.mkdir()
    values = {
        "JobIDRaw": "12",
        "JobID": "12",
        "User": ME,
        "UID": str(os.getuid()),
        "Account": "chem",
        "State": "COMPLETED",
    }
    values |= {
        "Partition": "main",
        "NodeList": "n1",
        "Submit": "1795165200",
        "Start": "1795165200",
        "End": "1795168800",
    }
    values |= {"Eligible": "1795165200", "TimelimitRaw": "60", "AllocCPUS": "4", "JobName": "new"}
    shown = "".join(f"{values.get(field, '')}${{token}}" for field in FIELDS)
    find = "for word; do case $word in --delimiter=*) token=${word#*=};; esac; done"
    (programs / "sacct").write_text(f'#!/bin/sh\n{find}\nprintf "%s\\n" "{shown}"\n')
    (programs / "squeue").write_text("#!/bin/sh\n")
    (programs / "scontrol").write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    told.config.write_text(told.config.read_text().replace("enabled = false", "enabled = true"))
    first = told.run("energy", "--json", "-j", "12", PATH=f"{programs}:{os.environ['PATH']}")
    told.config.write_text(told.config.read_text().replace("enabled = true", "enabled = false"))
    second = told.run("energy", "--json", "-j", "12")
    for done in (first, second):
        (job,) = json.loads(done.stdout)["jobs"]
        assert (job["account"], job["name"], job["energy_uj"]) == ("chem", "new", 1_320_000_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("08:00", "2026-11-22T08:00"),
        ("23:30", "2026-11-21T23:30"),
        ("midnight", "2026-11-22T00:00"),
        ("today", "2026-11-22T00:00"),
        ("now-2days", "2026-11-20T11:00"),
        ("1101", "2026-11-01T00:00"),
        ("12/24", "2025-12-24T00:00"),
        ("2026-10-25T12:00", "2026-10-25T12:00"),
    ],
)
def test_times_are_read_as_the_latest_past_one(text: str, expected: str) -> None:
    assert past_time(text, NOW, BERLIN) == datetime.fromisoformat(expected).replace(tzinfo=BERLIN)


def test_the_default_span_is_today_but_not_for_named_jobs() -> None:
    nothing: dict[str, Any] = {"users": "", "accounts": "", "start": None, "end": None, "all_users": False}
    mine = choose(jobs="", **nothing, now=NOW, zone=BERLIN)
    assert (mine.start, mine.users) == (datetime(2026, 11, 22, tzinfo=BERLIN), (ME,))
    named = choose(jobs="12", **nothing, now=NOW, zone=BERLIN)
    assert (named.start, named.users, named.job_ids) == (None, (), ("12",))


def test_job_ids_are_checked() -> None:
    assert [job_id(text) for text in ("12", "12_3", "12+1", "12.batch", "12_3.0", "run-1.x")] == [
        "12", "12_3", "12+1", "12", "12_3", "run-1.x",
    ]  # fmt: skip
    with pytest.raises(UsageError):
        job_id("12_[1-3]")
