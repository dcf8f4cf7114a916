"""The laws of studies: nothing comes of nothing, and the same question has the same answer, byte for byte."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vispa_green_sim.engine import simulate
from vispa_green_sim.machine import Machine
from vispa_green_sim.study.preparing import prepare
from vispa_green_sim.study.replay_error import replay_error
from vispa_green_sim.study.replication import compare, reference_run, shaken
from vispa_green_sim.study.statistics import estimate, t_quantile
from vispa_green_sim.studying import StudyOptions, study

from tests.simulation.small_study import answer, output, write
from tests.simulation.traces import made
from vispa_green.errors import VispaGreenError

NOTHING = '\n[[scenario]]\nname = "nothing"\n'
NOBODY = """
[[scenario]]
name = "nobody"
adoption = { rate = 0 }
interventions = [
  { use = "green_partition" },
  { use = "suspend", every_hours = 1 },
  { use = "power_cap", curve = "taurus_cpu", cap = 45 },
  { use = "priority_boost" },
]
"""


def wait_for(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while len(list(folder.glob("replications/*.json"))) < count:
        assert process.poll() is None, "the study ended before it could be killed"


@pytest.mark.parametrize("scenario", [NOTHING, NOBODY], ids=["no intervention", "nobody takes part"])
def test_nothing_changes_nothing(tmp_path: Path, scenario: str) -> None:
    """Without interventions, or with some that nobody takes, each figure is the reference run's, bit for bit."""
    prepared = prepare(write(tmp_path, scenario))
    for seed in prepared.seeds:
        base = reference_run(prepared, seed)
        found = compare(prepared, base, prepared.scenarios[0])
        assert found.side == found.base
        assert found.held_hours == 0
        assert all((user.wait_s, user.g) == (user.base_wait_s, user.base_g) for user in found.users)


def test_the_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    """One, two and three processes write the same report, and a second time as well."""
    file = write(tmp_path)
    first = answer(file, tmp_path / "one")
    assert answer(file, tmp_path / "two", workers=2) == first
    assert answer(file, tmp_path / "three", workers=3) == first
    assert answer(file, tmp_path / "one") == first


def test_a_study_of_before_gives_the_same_bytes(tmp_path: Path) -> None:
    """The keys' old names mean what they meant, and a fault below one still has its line."""
    present = write(tmp_path / "present")
    present.write_text(present.read_text().replace("pue =", 'scheduler = "easy"\npue ='))
    before = write(tmp_path / "before")
    text = present.read_text().replace("scheduler =", "policy =").replace("interventions =", "measures =")
    before.write_text(text)
    assert answer(before, tmp_path / "second") == answer(present, tmp_path / "first")
    before.write_text(text.replace("after_minutes", "after_minute"))
    with pytest.raises(VispaGreenError, match=r"study\.toml:22: .*no option 'after_minute'"):
        study(StudyOptions(before, 1, tmp_path / "out"))


def test_killed_and_resumed(tmp_path: Path) -> None:
    """SIGKILL half-way, then --resume: the same bytes as undisturbed, and what was there is not played again."""
    file = write(tmp_path, seeds=6, jobs=300)
    whole = answer(file, tmp_path / "whole", workers=2)
    out = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "vispa_green",
        "simulate",
        "study",
        str(file),
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        wait_for(out, 7, process)
        os.killpg(process.pid, signal.SIGKILL)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("replications/*.json")}
    assert 7 <= len(kept) < 36
    assert not (out / "report.html").exists()
    assert answer(file, out, workers=2, resume=True) == whole
    assert {name: (out / "replications" / name).stat().st_mtime_ns for name in kept} == kept


def test_orphans_stop(tmp_path: Path) -> None:
    """When only the parent is killed, its processes stop after the seed they are at."""
    file = write(tmp_path, seeds=40, jobs=250)
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "vispa_green",
        "simulate",
        "study",
        str(file),
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        wait_for(out, 3, process)
        process.kill()
        process.wait()
        group = process.pid
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert len(list(out.glob("replications/*.json"))) < 200


def test_changed_settings_never_meet_old_results(tmp_path: Path) -> None:
    """With --resume a changed option is played anew; only unchanged scenarios are kept."""
    file = write(tmp_path, seeds=2)
    answer(file, tmp_path / "out")
    file.write_text(file.read_text().replace("after_minutes = 5", "after_minutes = 50"))
    changed = answer(file, tmp_path / "out", resume=True)
    assert changed == answer(file, tmp_path / "fresh")


def test_the_report_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Replay error first, then the table; the page loads nothing from elsewhere and has no date of its making."""
    file = write(tmp_path)
    found = answer(file, tmp_path / "out")
    said = capsys.readouterr()
    assert said.out.startswith("Replay error: ")
    assert "24 of 24 replications" in said.err
    page = found["report.html"].decode()
    assert page.count("<svg") == 3
    assert not re.search(r'(src|href)="(?!#)', page)
    assert str(tmp_path) not in page
    summary = json.loads(found["summary.json"])
    assert [effect["varies"] for effect in summary["effects"]] == [*[""] * 4, *["green, by a third"] * 2]
    asleep = summary["effects"][0]
    assert asleep["static_saved_pct"]["low"] > 0
    assert asleep["saved_pct"]["low"] <= asleep["saved_pct"]["mean"] <= asleep["saved_pct"]["high"]
    assert len(found["replications.csv"].splitlines()) == 1 + 6 * 4


def test_shaking_moves_submissions_only() -> None:
    """The same jobs, each within the bound, in options, the same for the same seed."""
    jobs = made([(5000 + 40 * n, n + 1, n + 5, 1 + n % 3) for n in range(200)])
    moved = shaken(jobs, 3, 900)
    before = dict(zip(jobs.job_id, zip(jobs.submit_s, jobs.run_s, jobs.processors, strict=True), strict=True))
    for name, submit, run, width in zip(moved.job_id, moved.submit_s, moved.run_s, moved.processors, strict=True):
        assert abs(submit - before[name][0]) <= 900
        assert (run, width) == before[name][1:]
    assert moved == shaken(jobs, 3, 900)
    assert moved != shaken(jobs, 4, 900)
    assert shaken(jobs, 3, 0) is jobs


def test_replay_error_is_zero_for_a_record_of_its_own() -> None:
    """A history that was made by the simulator replays without error; one that waited twice as long with 50 %."""
    jobs = made([(3600 * n, 7200, 7200, 3) for n in range(600)])
    run = simulate(jobs, Machine.of_processors(4))
    recorded = replace(jobs, recorded_start_s=list(run.starts))
    assert replay_error(replace(run, workload=recorded)).mape_pct == 0
    twice = [2 * start - submit for start, submit in zip(run.starts, jobs.submit_s, strict=True)]
    assert replay_error(replace(run, workload=replace(jobs, recorded_start_s=twice))).mape_pct == pytest.approx(50)
    assert replay_error(run).mape_pct is None


def test_intervals_are_students() -> None:
    """Quantiles as in tables; an interval covers the true mean in 95 of 100 cases."""
    for degrees, expected in ((1, 12.7062), (19, 2.0930), (31, 2.03951), (40, 2.02108), (100, 1.98397)):
        assert t_quantile(degrees) == pytest.approx(expected, abs=2e-5)
    dice = np.random.default_rng(1)
    hits = sum((found := estimate(dice.normal(3, 2, 8))).low < 3 < found.high for _ in range(4000))
    assert hits / 4000 == pytest.approx(0.95, abs=0.012)


FAULTS = {
    "a typo in a table": (
        "seeds = 4",
        "sedes = 4",
        r"study\.toml:3: \[study\] sedes: unknown key – did you mean 'seeds'",
    ),
    "a typo in a scenario": (
        'name = "asleep"',
        'name = "asleep"\nadopton = 1',
        r"study\.toml:21: \[scenario\] adopton: unknown key – did you mean 'adoption'",
    ),
    "a typo inline": (
        "persistence",
        "persistense",
        r"study\.toml:25: \[scenario\.adoption\] persistense: .*'persistence'",
    ),
    "a value out of range": (
        "rate = 0.5",
        "rate = 1.5",
        r"study\.toml:33: \[scenario\.adoption\] rate: .*less than or eq",
    ),
    "an unknown intervention": (
        "sleep_idle",
        "sleep_idel",
        r"study\.toml:21: .*no intervention called 'sleep_idel' – did you",
    ),
    "an unknown option": (
        "after_minutes",
        "after_minute",
        r"study\.toml:21: .*no option 'after_minute' – did you mean",
    ),
    "a cap that was not measured": ("cap = 68.8", "cap = 70", r"not measured at 70; choose one of 45, 50\.1"),
    "a wrong type of option": (
        "after_minutes = 5",
        'after_minutes = "five"',
        r"study\.toml:21: .*after_minutes = 'five'; it takes float",
    ),
    "two of a name": ("capped and paused", "asleep", r"study\.toml:32: two scenarios are called 'asleep'; rename"),
    "a sensitivity of nothing": (
        'scenario = "green',
        'scenario = "grene',
        r"no scenario called .* did you mean 'green",
    ),
    "a sensitivity of no key": ("adoption.rate", "adoption.rat", r"'adoption\.rat'.*did you mean 'rate'"),
    "a broken file": ("[study]", "[study", r"not valid TOML: .*line 1"),
    "no such history": ("jobs.swf", "job.swf", r"no file job\.swf \(looked for .*VISPA_GREEN_DATA"),
    "an unknown forecast": ("[grid]", '[grid]\nforecast = "day_ahed"', r"no forecast called 'day_ahed' – did you"),
    "an unknown scheduler": ("pue = 1.3", 'scheduler = "eazy"', r"no scheduler called 'eazy' – did you mean 'easy'"),
    "its old name, unknown": ("pue = 1.3", 'policy = "eazy"', r"no scheduler called 'eazy' – did you mean 'easy'"),
    "a scheduler under both names": (
        "pue = 1.3",
        'policy = "easy"\nscheduler = "fcfs"',
        r"study\.toml:1[01]: \[machine\] has 'policy' and 'scheduler', two names of one key; keep 'scheduler'",
    ),
    "interventions under both names": (
        "rate = 0.5 }",
        "rate = 0.5 }\nmeasures = []",
        r"study\.toml:3\d: \[scenario\] has 'measures' and 'interventions', two names of one key; keep 'interv",
    ),
    "a start without the past": ("2025-03-03", "2025-02-24", r"two days of the series before it; choose 2025-02-26"),
    "a start beyond the series": ("2025-03-03", "2026-03-03", r"not 2026-03-03 00:00; choose a start within"),
    "half a node": ("pue = 1.3", "processors_per_node = 7", r"24 processors are no whole number of nodes of 7"),
}


@pytest.mark.parametrize(("right", "wrong", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_study_is_told_with_place_and_remedy(
    tmp_path: Path, right: str, wrong: str, message: str
) -> None:
    """One clear message before anything is played, with the line where there is one."""
    file = write(tmp_path)
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    with pytest.raises(VispaGreenError, match=message):
        study(StudyOptions(file, 1, tmp_path / "out"))
    assert not list(tmp_path.glob("out/replications/*"))


def test_the_command_tells_a_fault_in_one_line(tmp_path: Path) -> None:
    """No traceback reaches a user."""
    file = write(tmp_path)
    file.write_text(file.read_text().replace("seeds", "sedes"))
    command = [sys.executable, "-m", "vispa_green", "simulate", "study", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "did you mean 'seeds'" in done.stderr


def test_faults_in_data_are_told_with_line_and_remedy(tmp_path: Path) -> None:
    """Missing columns, an empty series, an hour that comes twice, a gap: line and remedy for each."""
    file = write(tmp_path)
    series, history = (tmp_path / "grid.csv").read_text(), (tmp_path / "jobs.swf").read_text()
    lines = series.splitlines(keepends=True)
    faults = (
        ("jobs.swf", history.replace("\n3 ", "\n3 7 7\n9 ", 1), r"jobs\.swf:6: 3 columns, at least 9"),
        ("grid.csv", lines[0], r"0 values of gco2_per_kwh; a series needs two"),
        ("grid.csv", "".join([*lines[:10], lines[9], *lines[10:]]), r"grid\.csv:11: .* not later .*summer time ends"),
        ("grid.csv", "".join([*lines[:30], *lines[33:]]), r"grid\.csv:31: nothing is known from .*fill"),
        ("grid.csv", series.replace("gco2_per_kwh", "co2"), r"grid\.csv:1: no column 'gco2_per_kwh'; there are"),
    )
    for name, content, message in faults:
        good = (tmp_path / name).read_text()
        (tmp_path / name).write_text(content)
        with pytest.raises(VispaGreenError, match=message):
            study(StudyOptions(file, 1, tmp_path / "out"))
        (tmp_path / name).write_text(good)


def test_jobs_wider_than_the_machine_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They run on all of it, and a warning says how many there are and where the first is."""
    file = write(tmp_path, NOTHING, seeds=2)
    file.write_text(file.read_text().replace("processors = 24", "processors = 12"))
    study(StudyOptions(file, 1, tmp_path / "out"))
    assert re.search(r"warning: jobs: \d+ rows: more than the machine's 12 processors", capsys.readouterr().err)
    assert output(tmp_path / "out")
