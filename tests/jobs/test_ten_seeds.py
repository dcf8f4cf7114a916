"""Ten seeds of every job at the size its claims are made for; the tables are printed at the end of the run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from vispa_green_jobs.catalogue import JOBS

pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
pytestmark = pytest.mark.full

Jobs = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", JOBS.names())
def test_every_claim_holds(
    name: str, seed: int, jobs: Jobs, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    out = tmp_path / "run"
    done = jobs("run", name, "--seed", str(seed), "--out", str(out), timeout=3600)
    assert done.returncode in {0, 3}, done.stderr
    record = json.loads((out / "metrics.json").read_text())
    record_property("judged job", [name, record["claims"]])
    assert all(claim["passed"] for claim in record["claims"]), done.stdout
