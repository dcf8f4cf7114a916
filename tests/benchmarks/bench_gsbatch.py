"""What gsbatch adds to a submission, beside sbatch and a bare interpreter in the same run, on the real Slurm."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lab.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.full, pytest.mark.xdist_group("slurm")]

BIN = Path(sys.executable).parent
ROUNDS = 20
PLAIN_LIMIT_MS = 25.0
GREEN_LIMIT_MS = 80.0
"""Not reached yet: it is printed beside what is."""
JOB = ("-t", "5", "-o", "/dev/null", "--wrap", "true")


@pytest.fixture
def environment(slurm_cluster: Cluster, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A cluster and a grid whose values are in the ledger already: what most submissions find."""
    tmp_path.chmod(0o755)
    now = datetime.now(UTC)  # noqa: TID251 - the benchmark's own clock
    lines = ["start_utc,renewable_share_pct,gco2_per_kwh,kind"]
    for quarter in range(-8, 200):
        start = now.replace(minute=0, second=0, microsecond=0) + quarter * timedelta(minutes=15)
        lines.append(f"{start:%Y-%m-%dT%H:%M:%SZ},{40 + quarter % 37},{400 - quarter % 37},forecast")
    (tmp_path / "grid.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "config.toml").write_text(
        f'[ledger]\nurl = "sqlite://{tmp_path}/ledger.sqlite"\n[grid]\nproviders = ["csv"]\n'
        f'[grid.csv]\npath = "{tmp_path}/grid.csv"\n'
    )
    own = {"VISPA_GREEN_CONFIG": str(tmp_path / "config.toml"), "VISPA_GREEN_STATE": str(tmp_path / "state")}
    yield os.environ | slurm_cluster.environment | own | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    slurm_cluster.run("scancel", "--me", check=False)


def timed(environment: Mapping[str, str], *command: str) -> tuple[float, float]:
    """Return wall and CPU time of a command and all it starts, in ms."""
    began = time.monotonic()  # noqa: TID251
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return 1e3 * (time.monotonic() - began), 1e3 * (usage.ru_utime + usage.ru_stime)  # noqa: TID251


def test_what_gsbatch_adds(environment: dict[str, str]) -> None:
    commands = {
        "python -I -c pass": (str(BIN / "python"), "-I", "-c", "pass"),
        "sbatch": ("sbatch", *JOB),
        "gsbatch, no wish": (str(BIN / "gsbatch"), *JOB),
        "gsbatch, green": (str(BIN / "gsbatch"), "--green-max-delay=12h", *JOB),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    timed(environment, *commands["gsbatch, green"])  # the grid's values come into the ledger
    for _ in range(ROUNDS):  # in turns, so that what else the machine does meets all of them
        for name, command in commands.items():
            found[name].append(timed(environment, *command))
    wall = {name: statistics.median(ms for ms, _ in runs) for name, runs in found.items()}
    cpu = {name: statistics.median(ms for _, ms in runs) for name, runs in found.items()}
    print(f"\n{'median of ' + str(ROUNDS):<20} {'wall ms':>9} {'CPU ms':>8} {'CPU / sbatch':>13}")
    for name in commands:
        print(f"{name:<20} {wall[name]:>9.1f} {cpu[name]:>8.1f} {cpu[name] / cpu['sbatch']:>13.1f}")
    assert cpu["gsbatch, no wish"] - cpu["sbatch"] <= PLAIN_LIMIT_MS
    assert cpu["gsbatch, green"] <= GREEN_LIMIT_MS
