"""The batch script: its text, and what it does when Slurm signals it (with bash, and programs that stand in)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vispa_green_jobs.batch import Submission, render
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.green_hours import GreenHours

from vispa_green import host

GOLDEN = Path(__file__).with_name("golden_submit.sh")
STAND_IN = """\
#!{python} -S
# in the place of Python: says what it was asked, comes up slowly, then trains until it is told to pause
import os, pathlib, signal, sys, time
folder = pathlib.Path("{folder}")
with (folder / "asked").open("a") as asked:
    print(*sys.argv[1:], file=asked)
(folder / "started").touch()
time.sleep({deaf_s})
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
(folder / "ready").touch()
{body}
"""
TRAINING = "while True: time.sleep(0.05)"


def script(folder: Path, python: str, **changes: object) -> str:
    submission = Submission("one_flow", "smoke", str(changes.pop("seeds", "3")), (), folder, **changes)  # type: ignore[arg-type]
    return render(submission, JOBS.load("one_flow")().definition, python)


def test_the_rendered_text_is_as_agreed() -> None:
    submission = Submission(
        "one_flow", "paper", "0-9%2", ("steps=200000", "hidden=[64, 64]"), Path("/data/my runs"), "12h", None,
        ("--partition=gpu",),
    )  # fmt: skip
    assert render(submission, JOBS.load("one_flow")().definition, "/opt/python3") == GOLDEN.read_text()


def test_bash_and_gsbatch_understand_it(tmp_path: Path) -> None:
    from vispa_green.gsbatch.script import read_head

    text = script(tmp_path, "python3", max_delay="6h", finish_by="tomorrow")
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    head = read_head(text.encode())
    assert (head.ours.wishes.max_delay, head.ours.wishes.finish_by, head.ours.complaints) == ("6h", "tomorrow", [])
    assert head.has("requeue")
    assert head.has("signal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place with Slurm's commands: the job runs, and what is asked of it is written down."""
    program(tmp_path / "scontrol", f'echo "$@" >> {tmp_path}/requeued')
    program(tmp_path / "squeue", "echo RUNNING None")
    return tmp_path


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


def started(
    folder: Path, body: str, until: str = "ready", deaf_s: float = 0, **changes: object
) -> subprocess.Popen[bytes]:
    text = STAND_IN.format(python=sys.executable, folder=folder, body=body, deaf_s=deaf_s)
    (folder / "python").write_text(text)
    (folder / "python").chmod(0o755)
    (folder / "job.sh").write_text(script(folder, str(folder / "python"), **changes))
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_ID": "41"}
    environment |= {"SLURM_ARRAY_JOB_ID": "41", "SLURM_ARRAY_TASK_ID": "7"} if "seeds" in changes else {}
    process = subprocess.Popen(["bash", folder / "job.sh"], env=environment)
    while not (folder / until).exists():
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_is_passed_on_and_a_paused_job_is_requeued(folder: Path, number: signal.Signals) -> None:
    process = started(folder, TRAINING)
    process.send_signal(number)
    assert process.wait(timeout=10) == 75
    assert (folder / "requeued").read_text() == "requeue 41\n"


def test_a_signal_that_comes_before_the_training_listens_is_not_lost_and_kills_nothing(folder: Path) -> None:
    process = started(folder, TRAINING, until="started", deaf_s=0.7)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=10) == 75
    assert (folder / "requeued").exists()


def test_signals_at_any_moment_end_in_one_pause(folder: Path) -> None:
    process = started(folder, TRAINING, until="asked")
    for number in (signal.SIGUSR1, signal.SIGTERM) * 20:
        process.send_signal(number)
        time.sleep(0.01)
    assert process.wait(timeout=10) == 75
    assert (folder / "requeued").read_text() == "requeue 41\n"


@pytest.mark.parametrize(
    ("answer", "requeued"),
    [
        ("echo COMPLETING None", False),
        ("echo COMPLETING TimeLimit", True),
        ("echo RUNNING None", True),
        ("exit 1", True),
    ],
)
def test_only_a_cancelled_job_is_not_requeued(folder: Path, answer: str, requeued: bool) -> None:
    program(folder / "squeue", answer)
    process = started(folder, TRAINING)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 75
    assert (folder / "requeued").exists() == requeued


def test_a_task_of_an_array_requeues_itself_only(folder: Path) -> None:
    assert started(folder, "sys.exit(75)", seeds="0-7").wait(timeout=10) == 75
    assert (folder / "requeued").read_text() == "requeue 41_7\n"


HOURS = GreenHours(datetime(2026, 6, 2, tzinfo=UTC), timedelta(hours=4), timedelta(minutes=10))


@pytest.mark.parametrize(("ahead_s", "is_set"), [(3600, True), (40, True), (3, False), (-60, False), (None, False)])
def test_the_planned_start_is_asked_for_if_there_is_one(folder: Path, ahead_s: int | None, is_set: bool) -> None:
    """Not if it is so near that slurmd may be busy with the end of this segment; Slurm then waits two minutes."""
    out = folder / "one_flow-smoke-3"
    out.mkdir()
    if ahead_s is not None:
        start = (host.now().utc + timedelta(seconds=ahead_s)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        (out / "resume-at").write_text(f"{start}\n")
    assert started(folder, "sys.exit(75)", hours=HOURS).wait(timeout=10) == 75
    requeue, *update = (folder / "requeued").read_text().splitlines()
    assert requeue == "requeue 41"
    assert len(update) == is_set
    if update:
        job, begin = re.fullmatch(r"update JobId=(\d+) StartTime=now\+(\d+)", update[0]).groups()  # type: ignore[union-attr]
        assert job == "41"
        assert ahead_s is not None
        assert ahead_s - 10 <= int(begin) <= ahead_s + 1


def test_green_hours_are_the_jobs_own_to_plan(tmp_path: Path) -> None:
    text = script(tmp_path, "python3", hours=HOURS, max_delay="6h")
    wishes = "--finish-by=2026-06-02T00:00:00+00:00 --work=14400s --restart-costs=600s"
    assert text.count(wishes) == 2
    assert "#GREEN" not in text
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_a_controller_that_is_restarting_is_asked_again(folder: Path) -> None:
    program(folder / "scontrol", f'echo "$@" >> {folder}/requeued; [ $(wc -l < {folder}/requeued) -gt 1 ]')
    program(folder / "sleep", "true")
    assert started(folder, "sys.exit(75)").wait(timeout=10) == 75
    assert (folder / "requeued").read_text() == "requeue 41\n" * 2


@pytest.mark.parametrize("code", [0, 1, 3])
def test_any_other_end_is_passed_on_and_nothing_is_requeued(folder: Path, code: int) -> None:
    assert started(folder, f"sys.exit({code})").wait(timeout=10) == code
    assert not (folder / "requeued").exists()


def test_a_killed_training_ends_the_script(folder: Path) -> None:
    assert started(folder, "os.kill(os.getpid(), 9)").wait(timeout=10) == 128 + 9


def test_it_runs_first_and_resumes_what_is_there(folder: Path) -> None:
    started(folder, "").wait(timeout=10)
    (folder / "one_flow-smoke-3").mkdir()
    (folder / "one_flow-smoke-3/metrics.json").touch()
    started(folder, "").wait(timeout=10)
    first, second = (folder / "asked").read_text().splitlines()
    where = f"--out {folder}/one_flow-smoke-3"
    assert first == f"-m vispa_green jobs run one_flow --preset=smoke --seed 3 {where}"
    assert second == f"-m vispa_green jobs resume one_flow {where}"
