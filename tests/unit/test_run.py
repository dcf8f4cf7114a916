"""`vispa-green run`: the command's own behaviour is untouched, its CPU time is found, the account balances."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("vispa-green")
BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "config.toml"
    config.write_text(
        f"""
        [agent]
        spool_dir = "{tmp_path / "spool"}"
        [ledger]
        url = "sqlite://{tmp_path / "ledger.sqlite"}"
        [meters]
        enabled = ["estimate"]
        [grid]
        providers = ["csv"]
        [grid.csv]
        path = "{tmp_path / "grid.csv"}"
        """
    )
    header = "start_utc,renewable_share_pct,gco2_per_kwh,kind\n"
    (tmp_path / "grid.csv").write_text(
        header + "2000-01-01T00:00:00Z,50,400,measured\n2099-01-01T00:00:00Z,50,400,measured\n"
    )
    return os.environ | {"VISPA_GREEN_CONFIG": str(config)}


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "run", *command], env=environment, capture_output=True, text=True, check=False)


def test_output_and_exit_code_are_the_commands_own(environment: dict[str, str]) -> None:
    done = run(environment, "--", "sh", "-c", "echo hello; exit 7")
    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert "energy" in done.stderr


def test_a_command_ended_by_a_signal_is_reported_as_a_shell_does(environment: dict[str, str]) -> None:
    assert run(environment, "--", "sh", "-c", "kill -TERM $$").returncode == 128 + 15


def test_cpu_time_of_children_counts_and_co2_follows_from_energy(environment: dict[str, str]) -> None:
    done = run(environment, "--json", "--", "sh", "-c", f"'{sys.executable}' -c '{BURN}'; true")
    [job] = json.loads(done.stderr)["jobs"]
    assert job["quality"] == "estimated"
    assert job["energy_uj"] > 0
    assert job["co2_g"] == pytest.approx(job["energy_uj"] / 3.6e12 * 400)
    balance = subprocess.run([PROGRAM, "ledger", "balance"], env=environment, capture_output=True, check=False)
    assert balance.returncode == 0


def test_a_command_that_is_not_there_is_one_line(environment: dict[str, str]) -> None:
    done = run(environment, "--", "no-such-command")
    assert done.returncode == 1
    assert (
        done.stderr
        == "vispa-green: no-such-command: No such file or directory; give a command as you would to `time`\n"
    )


def test_nothing_is_left_in_the_spool(environment: dict[str, str], tmp_path: Path) -> None:
    run(environment, "--", "true")
    assert list((tmp_path / "spool").iterdir()) == []
