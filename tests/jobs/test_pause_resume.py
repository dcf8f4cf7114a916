"""A run that was paused or killed ends as if nothing had happened, and its record tells all of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
PROGRAM = Path(sys.executable).with_name("vispa-green")
Jobs = Callable[..., subprocess.CompletedProcess[str]]

STEPS = 200
SMALL = [f"--set=steps={STEPS}", "--set=train_events=3000", "--set=test_events=200", "--set=batch=512"]
SMALL += [
    "--set=hidden=[16]",
    "--set=transforms=2",
    "--set=kinematic_bins=[4,4,3]",
    "--set=judge_rounds=1",
    "--checkpoint-every=0",
]


def weights(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(out / "checkpoints/flow.pt", weights_only=True)
    return content


def same_bits(first: dict[str, Any], second: dict[str, Any]) -> bool:
    model, other = first["parts"]["model"], second["parts"]["model"]
    return model.keys() == other.keys() and all(torch.equal(model[name], other[name]) for name in model)


def record(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return content


def start(account: dict[str, str], out: Path) -> subprocess.Popen[str]:
    return _background(account, "run", "one_flow", "--out", str(out), *SMALL)


def go_on(account: dict[str, str], out: Path) -> subprocess.Popen[str]:
    return _background(account, "resume", "one_flow", "--out", str(out), SMALL[-1])


def _background(account: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [str(PROGRAM), "jobs", *words]
    return subprocess.Popen(command, env=account, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_steps(out: Path, steps: int) -> None:
    """Return when a checkpoint of at least so many steps is there; every step writes one here."""
    end = time.monotonic() + 60  # noqa: TID251 - the test's own patience
    while time.monotonic() < end:  # noqa: TID251
        if (out / "checkpoints/flow.pt").exists() and len(weights(out)["losses"]) >= steps:
            return
        time.sleep(0.01)
    raise AssertionError("no checkpoint came")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same run in one piece, with the usual pace of checkpoints."""
    out = tmp_path_factory.mktemp("whole") / "run"
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    own |= {"OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(out.parent), "VISPA_GREEN_CONFIG": str(out.parent / "c")}
    (out.parent / "c").write_text(
        f'[ledger]\nurl = "sqlite://{out.parent}/l"\n[agent]\nspool_dir = "{out.parent}/s"\n[grid]\nproviders = []\n'
    )
    done = subprocess.run(
        [PROGRAM, "jobs", "run", "one_flow", "--out", out, *SMALL[:-1]], env=own, capture_output=True, check=False
    )
    assert done.returncode == 3, done.stderr  # complete; so small a run meets no claim
    yield out


def test_paused_then_killed_it_ends_bitwise_equal(
    uninterrupted: Path, account: dict[str, str], jobs: Jobs, tmp_path: Path
) -> None:
    """Every step writes a checkpoint here, so after `kill -9` nothing that was seen in one may be done again."""
    out = tmp_path / "run"
    process = start(account, out)
    wait_for_steps(out, random.randrange(1, STEPS // 4))
    process.send_signal(signal.SIGUSR1)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 75, said
    paused = record(out)
    assert (paused["status"], paused["exit_code"], paused["metrics"]) == ("paused", 75, {})
    before = len(weights(out)["losses"])
    assert before == paused["segments"][0]["steps"] < STEPS

    process = go_on(account, out)
    wait_for_steps(out, before + 3)
    time.sleep(0.2)
    process.kill()
    process.communicate()
    kept = len(weights(out)["losses"])
    assert before + 3 <= kept

    done = jobs("resume", "one_flow", "--out", str(out))
    assert done.returncode == 3, done.stderr
    assert same_bits(weights(out), weights(uninterrupted))
    assert record(out)["metrics"] == record(uninterrupted)["metrics"]
    assert [segment["status"] for segment in record(out)["segments"]] == ["paused", "killed", "complete"]
    assert record(out)["segments"][2]["steps"] == STEPS - kept

    judged = jobs("check", "one_flow", "--out", str(out), "--json")
    assert judged.returncode == 3
    assert json.loads(judged.stdout) == record(out)
    for segment in record(out)["segments"]:  # what the killed one had delivered is not lost
        assert segment["cost"]["source"] == "local meter"
        assert segment["cost"]["co2_g"] == pytest.approx(segment["cost"]["energy_uj"] / 3.6e12 * 400)


def test_a_folder_holds_one_run_of_one_job(uninterrupted: Path, jobs: Jobs, tmp_path: Path) -> None:
    again = jobs("run", "one_flow", "--out", str(uninterrupted))
    assert (again.returncode, "holds a run; go on with" in again.stderr) == (1, True)
    nothing = jobs("resume", "one_flow", "--out", str(tmp_path / "nothing"))
    assert (nothing.returncode, "holds no run" in nothing.stderr) == (1, True)
    done = jobs("resume", "one_flow", "--out", str(uninterrupted))
    assert (done.returncode, "complete" in done.stdout) == (3, True)


def test_the_report_shows_claims_costs_and_pictures(uninterrupted: Path) -> None:
    report = (uninterrupted / "report.md").read_text()
    for words in ("## Claims", "## What it cost", "plots/marginals.png", "arXiv:2403.18582", "**no**"):
        assert words in report
