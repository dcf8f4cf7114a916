"""The weekly report: the week's cut, the advice, and the mail as it arrives at a real SMTP server."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.mailsink import MailSink
from lab.story import Story

from vispa_green.energy.advice import Ground, MemoryNeed, advice
from vispa_green.energy.jobs import JobEnergy
from vispa_green.energy.parts import EnergyParts, GridFigures
from vispa_green.energy.waste import waste_of
from vispa_green.energy.weekly import Week, WeekRecord, weekly_report
from vispa_green.errors import UsageError
from vispa_green.model import Component, Dimension, EnergySum, JobAccount, JobFact, JobKey, Quality, Quantity, Total
from vispa_green.phrases import _PHRASES, LANGUAGES, Words
from vispa_green.reports.render import advice_words, render_weekly
from vispa_green.sizing.alike import memory_run
from vispa_green.sizing.rule import MEMORY, for_the_next
from vispa_green.units import UJ_PER_WH

BERLIN = ZoneInfo("Europe/Berlin")
ME = pwd.getpwuid(os.getuid()).pw_name
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 9, tzinfo=BERLIN)
JOB = JobEnergy(
    key=JobKey("lab", "7", None), display_id="7", user="ada", account="", partition="", project="", wckey="", qos="",
    name="fit", state="COMPLETED", exit_code="0:0", comment="", nodes=("n1",), submit=None, start=MONDAY,
    end=MONDAY + timedelta(hours=1), elapsed=timedelta(hours=1), has_run=True, cpus=16, tasks=1,
    cpus_per_task=16, memory_mib=2048, peak_memory_mib=1024, cpu_time_ns=0, cpu_efficiency=0.9,
    parts=EnergyParts(cpu_uj=9, idle_uj=1), grid=GridFigures(1.0, 1.0, 60.0), quality=Quality.MEASURED,
    coverage=1.0, charged=(),
)  # fmt: skip
IDLE = replace(JOB, parts=EnergyParts(cpu_uj=400, idle_uj=600))
WASTEFUL = replace(JOB, parts=EnergyParts(cpu_uj=900, idle_uj=100))


def test_a_week_is_cut_in_its_zone_also_when_clocks_change() -> None:
    assert Week.named("2026-W47", BERLIN).start == datetime(2026, 11, 15, 23, tzinfo=UTC)
    autumn, spring = Week.named("2026-W43", BERLIN), Week.named("2026w13", BERLIN)
    assert autumn.end - autumn.start == timedelta(hours=169)
    assert spring.end - spring.start == timedelta(hours=167)
    assert Week.named("2026-W53", BERLIN).before.name == "2026-W52"
    for wrong in ("2026-W54", "W47", "2025-W53", "2026-47"):
        with pytest.raises(UsageError, match="like 2026-W47"):
            Week.named(wrong, BERLIN)


def test_the_last_full_week_is_over_at_any_time_of_the_next() -> None:
    for now in (datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 29, 22, 59, tzinfo=UTC)):
        assert Week.last_full(now, BERLIN).name == "2026-W47"
    assert Week.last_full(datetime(2026, 11, 22, 22, 59, tzinfo=UTC), BERLIN).name == "2026-W46"


@given(st.dates(date(2020, 1, 1), date(2035, 1, 1)))
def test_weeks_follow_one_another_without_a_hole(day: date) -> None:
    week = Week(day - timedelta(days=day.weekday()), BERLIN)
    assert Week.named(week.name, BERLIN) == week
    assert week.before.end == week.start


def said(job: JobEnergy = JOB, mine: float | None = 60, grid: float | None = 60, **more: Any) -> str:  # noqa: ANN401
    """Return the sentence for a week with one job, whose CO2 is that of its renewable share."""
    mean, of_grid = (None if share is None else 720 - 6.5 * share for share in (mine, grid))
    energy_uj = job.parts.total_uj if job.parts else 0
    return advice_words(advice(Ground(energy_uj, mine, grid, mean, of_grid, [job], **more)), Words("en"))


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ({"tasks": 1, "cpus_per_task": 16}, "with `--cpus-per-task=4`"),
        ({"tasks": 16, "cpus_per_task": 1}, "with `--ntasks=4`"),
        ({"tasks": 2, "cpus_per_task": 8}, "with `--cpus-per-task=2`"),
        ({"tasks": 1, "cpus_per_task": 1}, "without `--exclusive`"),
    ],
)
def test_idle_cpus_are_named_with_the_option_that_the_job_was_asked_with(asked: dict[str, Any], remedy: str) -> None:
    sentence = said(replace(IDLE, cpu_efficiency=0.19, **asked))
    assert "Job 7 kept 3.0 of its 16 CPUs busy" in sentence
    assert remedy in sentence


@pytest.mark.parametrize(
    "unknown", [{"tasks": None}, {"cpus_per_task": None}, {"display_id": "7+1"}], ids=["tasks", "each", "het"]
)
def test_where_it_is_not_known_how_a_job_was_asked_no_option_is_named(unknown: dict[str, Any]) -> None:
    assert "--" not in said(replace(IDLE, cpu_efficiency=0.19, **unknown))


def test_busy_jobs_are_not_blamed_for_idle_energy() -> None:
    assert "CPUs" not in said(IDLE)


@pytest.mark.parametrize(("mine", "grid"), [(35.0, 36.0), (50.0, 60.0)])
def test_browner_than_the_grid_means_to_wait_for_green_hours(mine: float, grid: float) -> None:
    assert "gsbatch --green-max-delay=12h job.sh" in said(mine=mine, grid=grid)


def test_what_would_have_saved_most_is_said() -> None:
    idle = replace(IDLE, cpu_efficiency=0.19)
    assert "--cpus-per-task" in said(idle, mine=50, grid=60), "45 % of the energy, before 14 % of the CO2"
    assert "gsbatch" in said(replace(idle, parts=EnergyParts(cpu_uj=950, idle_uj=50)), mine=50, grid=60)
    assert "left its GPUs idle" in said(idle, idle_gpu_uj={"7": 600})


def need(asked: int, held: int, **changes: object) -> MemoryNeed:
    """What twenty like jobs needed, of which each held as much."""
    plain = JobFact(
        "7", "7", "ada", "", "main", "fit", "COMPLETED", ("n1",), MONDAY, MONDAY, MONDAY,
        MONDAY + timedelta(hours=1), None, 16, memory_mib=asked, peak_memory_mib=held,
    )  # fmt: skip
    last = replace(plain, **changes)  # type: ignore[arg-type]
    run = memory_run(last, timedelta(seconds=30))
    assert run is not None
    return MemoryNeed(last, *for_the_next([run] * 20, MEMORY, MONDAY + timedelta(days=7)))


def test_memory_that_nobody_used_is_named_with_a_margin() -> None:
    sentence = said(WASTEFUL, needs=[need(65536, 3072), need(8192, 3072)])
    assert "Job 7 reserved 64.0 GiB of memory, 20 jobs like it held at most 3.0 GiB" in sentence
    assert "`--mem=3892M`" in sentence


@pytest.mark.parametrize(
    "doubt",
    [{"peak_memory_mib": None}, {"state": "OUT_OF_MEMORY"}, {"state": "CANCELLED"}, {"memory_mib": 7000}],
    ids=["not of all tasks", "killed", "not to the end", "not worth a sentence"],
)
def test_less_memory_is_never_advised_where_that_could_end_a_job(doubt: dict[str, object]) -> None:
    assert "--mem" not in said(WASTEFUL, needs=[need(65536, 3072, **doubt)])


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(1, 4))
def test_memory_that_is_advised_is_more_than_was_ever_held_and_less_than_was_asked(
    asked: int, peak: int, nodes: int
) -> None:
    """Of a job on several nodes it is not known on which it held that, so each is given as much."""
    needs = [need(asked, peak, nodes=tuple(f"n{i}" for i in range(nodes)))]
    if found := re.search(r"--mem=(\d+)M", said(WASTEFUL, needs=needs)):
        assert 1.1 * peak < int(found[1]) < asked / nodes


def test_a_good_week_is_thanked_for() -> None:
    assert said(mine=72).startswith("Well timed: your energy was 12 points greener")
    assert said().endswith("Thank you.")
    assert said(mine=None, grid=None).endswith("Thank you.")


def test_waste_is_what_is_known_to_have_been_reserved_and_not_used() -> None:
    gpu = EnergySum(Component.GPU, Quality.MEASURED, 1, 99)
    account = JobAccount(JOB.key, None, None, sums=(gpu,))
    hour = timedelta(hours=1)
    jobs = [JOB, replace(JOB, peak_memory_mib=None), replace(JOB, state="TIMEOUT", nodes=("n1", "n2"))]
    waste = waste_of(jobs, [account, replace(account, sums=(replace(gpu, busy_uj=9),))], {JOB.key: 4 * hour})
    assert (waste.memory_reserved_gib_h, waste.memory_used_gib_h) == (2, 1)
    assert (waste.idle_gpu_jobs, waste.idle_gpu_uj) == (1, 100)
    assert (waste.limit, waste.ran) == (8 * hour, 2 * hour), "a job that was ended by its limit needed it"
    nothing = waste_of([], [], {})
    assert (nothing.memory_share, nothing.limit_share) == (None, None)


@given(st.sampled_from(sorted(_PHRASES)))
def test_every_phrase_is_there_in_all_languages_with_the_same_values(phrase: str) -> None:
    both = _PHRASES[phrase]
    assert len(both) == len(LANGUAGES)
    assert all(both)
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in both]
    assert fields[0] == fields[1]


@pytest.fixture
def told(story: Story) -> Story:
    """10 Wh on Monday and 30 Wh on Sunday of week 46, 80 Wh the week before; the sun shines on Monday only."""
    story.configure('[cluster]\nname = "lab"\n[mail]\ndomain = "example.org"\nsender = "green@example.org"\n')
    for hours, busy_wh, idle_wh, job in ((-24, 80, 0, "1"), (1, 8, 2, "2"), (6 * 24 + 23, 20, 10, "3")):
        shares = {Component.CPU: {job: (busy_wh * UJ_PER_WH, idle_wh * UJ_PER_WH)}}
        quality = Quality.ESTIMATED if job == "3" else Quality.MEASURED
        story.interval(MONDAY + timedelta(hours=hours), 1800, shares, quality=quality)
    story.grid(Quantity.CARBON_INTENSITY, MONDAY.astimezone(UTC), [100.0] * 24 + [500.0] * 144)
    story.grid(Quantity.RENEWABLE_SHARE, MONDAY.astimezone(UTC), [90.0] * 24 + [50.0] * 144)
    begin = MONDAY + timedelta(hours=1)
    story.facts(
        JobFact(
            "2", "2", ME, "phys", "main", "<b>fit & co</b>", "COMPLETED", ("n1",), begin, begin, begin,
            begin + timedelta(minutes=30), None, 1,
        )
    )  # fmt: skip
    return story


def weekly(story: Story, *arguments: str, week: str = "2026-W46") -> str:
    done = story.run("report", "weekly", "--week", week, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_figures_are_those_of_the_week_alone(told: Story) -> None:
    report = json.loads(weekly(told, "--json"))["report"]
    assert report["energy_uj"] == 40 * UJ_PER_WH
    assert report["idle_energy_uj"] == 12 * UJ_PER_WH
    assert [day["energy_uj"] // UJ_PER_WH for day in report["days"]] == [10, 0, 0, 0, 0, 0, 30]
    assert report["co2_g"] == pytest.approx(0.010 * 100 + 0.030 * 500)
    assert report["green_share_pct"] == pytest.approx(0.25 * 90 + 0.75 * 50)
    assert report["grid_mean_share_pct"] == pytest.approx((90 + 6 * 50) / 7, abs=0.01)
    assert [(one["week"], one["energy_uj"]) for one in report["weeks_before"]] == [("2026-W45", 80 * UJ_PER_WH)]
    assert [job["job_id"] for job in report["top_jobs"]] == ["3", "2"]
    assert (report["jobs"], report["estimated_jobs"], report["gap_jobs"]) == (2, 1, 0)


def test_the_text_says_it_in_words(told: Story) -> None:
    text = weekly(told)
    assert "40.0 Wh, 50 % less than usual (80.0 Wh)" in text
    assert "16.0 g" in text
    assert "60 % renewable while your jobs ran (the grid's mean was 56 %)" in text
    assert "1 job rests on a power model, not on energy counters." in text
    assert "Sun 15       30.0 Wh" in text
    assert "<b>fit & co</b>" in text


def test_the_mail_advises_memory_by_the_runs_of_ninety_days(told: Story) -> None:
    """Those of the week before count, and a job of the week is told of."""
    begin = MONDAY - timedelta(days=7)
    like = [
        JobFact(
            job, job, ME, "", "main", f"sim{job}", "COMPLETED", ("n1",), begin + n * HOUR, begin + n * HOUR,
            begin + n * HOUR, begin + n * HOUR + HOUR, None, 4, memory_mib=65536, peak_memory_mib=8000,
        )
        for n, job in [*((n, str(100 + n)) for n in range(20)), (7 * 24 + 6 * 24 + 23, "3")]
    ]  # fmt: skip
    told.facts(*like)
    assert "Job 3 reserved 64.0 GiB of memory, 21 jobs like it held at most 7.8 GiB" in weekly(told)


def test_the_mail_that_arrives_is_complete(told: Story) -> None:
    with MailSink() as sink:
        with told.config.open("a") as config:
            config.write(f'host = "{sink.host}"\nport = {sink.port}\n')
        assert weekly(told, "--send").strip() == f"sent to {ME}@example.org"
    (mail,) = sink.messages
    message = mail.message
    assert (mail.sender, mail.recipients) == ("green@example.org", (f"{ME}@example.org",))
    assert message["Subject"] == "Week 46: 40.0 Wh on lab"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == "weekly energy reports <weekly.vispa-green.example.org>"
    assert message["Message-ID"] == f"<weekly.2026-W46.{ME}@example.org>"
    assert abs(message["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=5)  # noqa: TID251
    assert_complete(message)


def assert_complete(message: EmailMessage) -> None:
    assert message.get_content_type() == "multipart/alternative"
    plain, related = message.iter_parts()
    assert plain.get_content_type() == "text/plain"
    html, image = related.iter_parts()
    body = html.get_content()
    assert f'src="cid:{image["Content-ID"].strip("<>")}"' in body
    assert 'alt="Energy by day: Mon 10.0 Wh, Tue 0 J, Wed 0 J, Thu 0 J, Fri 0 J, Sat 0 J, Sun 30.0 Wh."' in body
    assert "&lt;b&gt;fit &amp; co&lt;/b&gt;" in body
    assert 'src="http' not in body
    assert image.get_content_type() == "image/png"
    assert image.get_content().startswith(b"\x89PNG")


def test_a_week_that_is_not_over_says_so() -> None:
    week = Week.named("2026-W46", BERLIN)
    energy = EnergySum(Component.CPU, Quality.MEASURED, 10 * UJ_PER_WH, 0)
    days = [Total({Dimension.DAY: week.days[0]}, (energy,), 1, None)]
    earlier = [Total({Dimension.WEEK: week.earlier(n).monday}, (energy,) * 8, 1, None) for n in (1, 3)]
    for now, name in ((week.end - timedelta(hours=1), "46 so far"), (week.end, "46")):
        record = WeekRecord([JOB], (), days, None, weeks=earlier)
        pages = render_weekly(weekly_report(ME, week, record, now), "lab", "en")
        assert pages.subject.startswith(f"Week {name}: ")
        assert f"week 2026-W{name}" in pages.text
        assert f"week 2026-W{name} ·" in pages.html
        assert ("your usual week has 80.0 Wh" in pages.text) is ("so far" in name)


def test_a_preview_is_the_mail_or_a_page_by_itself(told: Story, tmp_path: Path) -> None:
    weekly(told, "--preview", str(tmp_path / "week.eml"))
    message = message_from_bytes((tmp_path / "week.eml").read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert_complete(message)
    weekly(told, "--preview", str(tmp_path / "week.html"))
    page = (tmp_path / "week.html").read_text()
    assert 'src="data:image/png;base64,' in page
    assert "cid:" not in page


def test_a_week_without_jobs_is_said_and_not_sent(told: Story) -> None:
    assert "You ran no jobs in this week." in weekly(told, week="2026-W20")
    done = told.run("report", "weekly", "--week", "2026-W20", "--send")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing sent" in done.stderr


def test_a_mail_that_cannot_be_sent_is_one_line_that_says_why(told: Story) -> None:
    with MailSink(refused=[f"{ME}@example.org"]) as sink:
        text = told.config.read_text()
        told.config.write_text(f'{text}host = "{sink.host}"\nport = {sink.port}\n')
        refused = told.run("report", "weekly", "--week", "2026-W46", "--send")
    assert refused.returncode == 1
    assert "takes no mail for this address (550 no such user here); is [mail] domain right?" in refused.stderr
    absent = told.run("report", "weekly", "--week", "2026-W46", "--send")
    assert "cannot be reached" in absent.stderr
    assert "[mail] host and port" in absent.stderr
    assert absent.stderr.count("\n") == 1


def test_the_mail_is_german_for_who_reads_german(told: Story) -> None:
    text = weekly(told, "--language", "de")
    assert "40,0 Wh, 50 % weniger als sonst (80,0 Wh)" in text
    assert "So 15.       30,0 Wh" in text
    assert "9. November 2026 bis 15. November 2026" in text
    assert re.search(r"\d\.\d", text) is None, "numbers have commas"


def test_a_missing_extra_names_the_command_that_installs_it(told: Story, tmp_path: Path) -> None:
    words = ["report", "weekly", "--week", "2026-W46", "--preview", str(tmp_path / "week.html")]
    code = "import sys; sys.modules['matplotlib'] = None; from vispa_green.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--config", told.config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "vispa-green: reports need matplotlib, pillow and jinja2: run `pip install 'vispa-green[report]'`\n"
    )
