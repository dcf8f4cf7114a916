"""A study played by the real Slurm of deploy/lab as a job array."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab.cluster import Cluster

from tests.simulation.small_study import answer, output, write


def study_on(cluster: Cluster, file: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "vispa_green",
        "simulate",
        "study",
        str(file),
        "--out",
        str(out),
        "--on",
        "slurm",
    ]
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        check=False,
        text=True,
        cwd=file.parent,
        env={**os.environ, **cluster.environment},
    )


@pytest.mark.slurm
def test_a_job_array_gives_the_same_bytes(slurm_cluster: Cluster, tmp_path: Path) -> None:
    """Four tasks on two nodes write the report that one process writes; a resumed study submits nothing."""
    file = write(tmp_path, seeds=4, jobs=120)
    expected = answer(file, tmp_path / "local")
    done = study_on(slurm_cluster, file, tmp_path / "cluster", "--workers", "4")
    assert done.returncode == 0, done.stderr
    assert "24 of 24 replications" in done.stderr
    assert output(tmp_path / "cluster") == expected
    logs = list((tmp_path / "cluster" / "slurm").glob("*.out"))
    assert len(logs) == 4
    (tmp_path / "cluster" / "report.html").unlink()
    again = study_on(slurm_cluster, file, tmp_path / "cluster", "--resume")
    assert again.returncode == 0, again.stderr
    assert output(tmp_path / "cluster") == expected
    assert list((tmp_path / "cluster" / "slurm").glob("*.out")) == logs


@pytest.mark.slurm
def test_what_slurm_refuses_is_told(slurm_cluster: Cluster, tmp_path: Path) -> None:
    """What Slurm refuses is told in one line."""
    file = write(tmp_path, seeds=2, jobs=60)
    refused = study_on(slurm_cluster, file, tmp_path / "out", "--sbatch=--partition=nowhere")
    assert refused.returncode != 0
    assert "sbatch failed" in refused.stderr
    assert "Traceback" not in refused.stderr
