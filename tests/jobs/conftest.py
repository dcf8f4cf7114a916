"""Fixtures for tests of jobs: an account of their own, and the program in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vispa_green_jobs.context import RunContext

from vispa_green import host

PROGRAM = Path(sys.executable).with_name("vispa-green")


@pytest.fixture
def account(tmp_path: Path) -> dict[str, str]:
    """An environment with a ledger, an estimate as meter and a grid of 400 g/kWh; one thread."""
    (tmp_path / "grid.csv").write_text(
        "start_utc,renewable_share_pct,gco2_per_kwh,kind\n"
        "2000-01-01T00:00:00Z,50,400,measured\n2099-01-01T00:00:00Z,50,400,measured\n"
    )
    (tmp_path / "config.toml").write_text(
        f'[ledger]\nurl = "sqlite://{tmp_path}/ledger.sqlite"\n[agent]\nspool_dir = "{tmp_path}/spool"\n'
        f'[meters]\nenabled = ["estimate"]\n[grid]\nproviders = ["csv"]\n[grid.csv]\npath = "{tmp_path}/grid.csv"\n'
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    own |= {"VISPA_GREEN_CONFIG": str(tmp_path / "config.toml"), "VISPA_GREEN_STATE": str(tmp_path / "state")}
    return own | {"OMP_NUM_THREADS": "1"}


Jobs = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def jobs(account: dict[str, str], tmp_path: Path) -> Jobs:
    """``vispa-green jobs ...`` in that account."""

    def run(*words: str, timeout: float = 200, **variables: str) -> subprocess.CompletedProcess[str]:
        # The script heeds no PYTHONPATH; a test that sets one asks the interpreter itself.
        program = [sys.executable, "-m", "vispa_green"] if "PYTHONPATH" in variables else [PROGRAM]
        return subprocess.run(
            [*program, "jobs", *words], env=account | variables, cwd=tmp_path, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """A segment of a run in a folder of the test."""
    return RunContext(tmp_path / "run", seed=5, now=host.now, say=lambda _text: None)
