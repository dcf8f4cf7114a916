"""The batch script: its text, and what it does when Slurm signals it (with bash, and programs that stand in)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from vispa_green_jobs.batch import Order, render
from vispa_green_jobs.catalogue import JOBS

GOLDEN = Path(__file__).with_name("golden_submit.sh")
STAND_IN = """\
#!/bin/bash
# in the place of Python: says what it was asked, then trains until it is told to pause
echo "$@" >> {folder}/asked
trap 'sleep 0.2; exit 75' USR1
touch {folder}/ready
{body}
"""


def script(folder: Path, python: str, **changes: object) -> str:
    order = Order("one_flow", "smoke", str(changes.pop("seeds", "3")), (), folder, **changes)  # type: ignore[arg-type]
    return render(order, JOBS.load("one_flow")().definition, python)


def test_the_rendered_text_is_as_agreed() -> None:
    order = Order(
        "one_flow", "paper", "0-9%2", ("steps=200000", "hidden=[64, 64]"), Path("/data/my runs"), "12h", None,
        ("--partition=gpu",),
    )  # fmt: skip
    assert render(order, JOBS.load("one_flow")().definition, "/opt/python3") == GOLDEN.read_text()


def test_bash_and_gsbatch_understand_it(tmp_path: Path) -> None:
    from vispa_green.gsbatch.script import read_head

    text = script(tmp_path, "python3", max_delay="6h", finish_by="tomorrow")
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    head = read_head(text.encode())
    assert (head.wishes.max_delay, head.wishes.finish_by, head.complaints) == ("6h", "tomorrow", ())
    assert head.has("requeue")
    assert head.has("signal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scontrol").write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/requeued\n')
    (tmp_path / "scontrol").chmod(0o755)
    return tmp_path


def started(folder: Path, body: str) -> subprocess.Popen[bytes]:
    (folder / "python").write_text(STAND_IN.format(folder=folder, body=body))
    (folder / "python").chmod(0o755)
    (folder / "job.sh").write_text(script(folder, str(folder / "python")))
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_ID": "41"}
    process = subprocess.Popen(["bash", folder / "job.sh"], env=environment)
    while not (folder / "ready").exists():
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_is_passed_on_and_a_paused_job_is_requeued(folder: Path, number: signal.Signals) -> None:
    process = started(folder, "while :; do sleep 0.05; done")
    process.send_signal(number)
    assert process.wait(timeout=10) == 75
    assert (folder / "requeued").read_text() == "requeue 41\n"


@pytest.mark.parametrize("code", [0, 1, 3])
def test_any_other_end_is_passed_on_and_nothing_is_requeued(folder: Path, code: int) -> None:
    assert started(folder, f"exit {code}").wait(timeout=10) == code
    assert not (folder / "requeued").exists()


def test_a_killed_training_ends_the_script(folder: Path) -> None:
    assert started(folder, "kill -9 $$").wait(timeout=10) == 128 + 9


def test_it_runs_first_and_resumes_what_is_there(folder: Path) -> None:
    started(folder, "exit 0").wait(timeout=10)
    (folder / "one_flow-smoke-3").mkdir()
    (folder / "one_flow-smoke-3/metrics.json").touch()
    started(folder, "exit 0").wait(timeout=10)
    first, second = (folder / "asked").read_text().splitlines()
    where = f"--out {folder}/one_flow-smoke-3"
    assert first == f"-m vispa_green jobs run one_flow --preset=smoke --seed 3 {where}"
    assert second == f"-m vispa_green jobs resume one_flow {where}"
