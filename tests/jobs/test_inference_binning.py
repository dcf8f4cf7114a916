"""inference_binning: its Fisher matrix is pyhf's, and the uncertainty shrinks as it should."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
pyhf = pytest.importorskip("pyhf", reason="pyhf is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]


def test_sigma_of_one_bin_is_that_of_counting() -> None:
    """σ_μ = √(s + b + δ²)/s with δ = (up − down)/2."""
    from vispa_green_jobs.catalogue.inference_binning.measurement import sigma_mu

    expected = {name: torch.tensor([value]) for name, value in (("signal", 20.0), ("background", 100.0))}
    expected |= {"up": torch.tensor([112.0]), "down": torch.tensor([88.0])}
    assert float(sigma_mu(expected)) == pytest.approx(np.sqrt(20 + 100 + 12**2) / 20)


def test_cls_falls_with_the_signal() -> None:
    from vispa_green_jobs.catalogue.inference_binning.measurement import cls

    def with_signal(events: float) -> float:
        background = torch.tensor([10.0, 50.0])
        signal = torch.tensor([events, events])
        return cls({"signal": signal, "background": background, "up": background * 1.05, "down": background * 0.95})

    values = [with_signal(events) for events in (1.0, 5.0, 10.0)]
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < 0.1


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_already_measures_better(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = ["train_events=4000", "test_events=20000", "hidden=[32,32]", "batch=1000", "classifier_steps=100"]
    words = [f"--set={change}" for change in (*changes, "binning_steps=80", "joint_steps=200")]
    done = jobs("run", "inference_binning", "--seed", "2", "--out", str(out), *words)
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["sigma_mu_joint"] < 0.34
    assert found["sigma_mu_ratio"] < 0.75
    assert found["cls_ratio"] < 0.5
