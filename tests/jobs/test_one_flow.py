"""one_flow: the toy is the published one, the flow is a flow, and the correction corrects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.one_flow.flow import SplineFlow

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]


def test_the_toy_has_the_gaps_and_correlations_of_the_published_one() -> None:
    """Fractions of zeros 0.25/0.30 (data), 0.49/0.25 (simulation); correlations differ by up to 0.42."""
    from vispa_green_jobs.catalogue.one_flow import toy
    from vispa_green_jobs.shared.metrics import correlations

    samples = [toy.generate(d, 60_000, np.random.default_rng(1)) for d in (toy.DATA, toy.SIMULATION)]
    zeros = [(sample.variables[:, 2:] == 0).mean(axis=0) for sample in samples]
    assert zeros[0] == pytest.approx([0.25, 0.30], abs=0.01)
    assert zeros[1] == pytest.approx([0.49, 0.25], abs=0.01)
    difference = np.abs(correlations(samples[0].all_columns) - correlations(samples[1].all_columns))
    assert difference.max() == pytest.approx(0.42, abs=0.02)


def test_filling_a_gap_can_be_undone() -> None:
    from vispa_green_jobs.catalogue.one_flow import toy
    from vispa_green_jobs.catalogue.one_flow.preparation import Filled

    sample = toy.generate(toy.DATA, 5000, np.random.default_rng(2))
    filled = Filled.of(sample)
    there = filled.forward(sample.variables, np.random.default_rng(3))
    assert filled.backward(there) == pytest.approx(sample.variables, abs=1e-9)


def test_reweighted_simulation_has_the_kinematics_of_data() -> None:
    from vispa_green_jobs.catalogue.one_flow import toy
    from vispa_green_jobs.catalogue.one_flow.preparation import Reweighting
    from vispa_green_jobs.shared.metrics import kolmogorov_smirnov

    data, simulation = (
        toy.generate(d, 40_000, np.random.default_rng(4)).kinematics for d in (toy.DATA, toy.SIMULATION)
    )
    weights = Reweighting.of(data, simulation, (12, 12, 8)).weights(simulation)
    assert weights.mean() == pytest.approx(1)
    for axis in range(3):
        assert kolmogorov_smirnov(data[:, axis], simulation[:, axis], None, weights) < 0.015


@pytest.fixture
def flow() -> SplineFlow:
    """A flow with weights away from the identity, in double precision."""
    from vispa_green_jobs.catalogue.one_flow.flow import SplineFlow

    torch.manual_seed(1)
    made = SplineFlow(3, 2, transforms=4, hidden=(16,), bins=6)
    made.double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made


def test_a_new_flow_is_the_identity() -> None:
    from vispa_green_jobs.catalogue.one_flow.flow import SplineFlow

    x, condition = torch.randn(200, 4), torch.randn(200, 2)
    z, log_det = SplineFlow(4, 2, 4, (8,), 8)(x, condition)
    assert torch.allclose(z, x, atol=1e-5)
    assert torch.allclose(log_det, torch.zeros(200), atol=1e-4)


def test_a_flow_is_inverted_inside_and_beyond_its_bound(flow: SplineFlow) -> None:
    x = torch.cat([torch.randn(300, 3), 10 * torch.randn(50, 3)]).double()
    condition = torch.randn(350, 2).double()
    z, _ = flow(x, condition)
    assert not torch.allclose(z, x, atol=0.1)
    assert float((flow.inverse(z, condition) - x).abs().max().detach()) < 1e-7


def test_its_determinant_is_that_of_its_jacobian(flow: SplineFlow) -> None:
    x, condition = torch.randn(20, 3).double(), torch.randn(20, 2).double()
    _, log_det = flow(x, condition)
    for row in range(20):
        jacobian = torch.autograd.functional.jacobian(
            lambda point, row=row: flow(point[None], condition[row : row + 1])[0][0], x[row]
        )
        assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(float(log_det[row].detach()), abs=1e-8)


def test_gradients_reach_every_parameter(flow: SplineFlow) -> None:
    (-flow.log_prob(torch.randn(500, 3).double(), torch.randn(500, 2).double()).mean()).backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in flow.parameters())


@pytest.mark.full
def test_a_fraction_of_the_smoke_run_corrects_already(jobs: Jobs, tmp_path: Path) -> None:
    """Fewer events and steps: not the claims, but most of the way to them on unseen events."""
    out = tmp_path / "run"
    changes = [
        "train_events=30000",
        "test_events=20000",
        "steps=150",
        "transforms=3",
        "hidden=[48]",
        "judge_rounds=40",
    ]
    words = [f"--set={change}" for change in (*changes, "learning_rate=8e-3", "kinematic_bins=[8,8,5]")]
    done = jobs("run", "one_flow", "--seed", "1", "--out", str(out), *words)
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["auc_nominal"] > 0.82
    assert found["auc_corrected"] < 0.66
    assert found["correlation_difference"] < 0.5 * found["correlation_difference_nominal"]
    assert found["ks_v1B"] < 0.2 * found["ks_nominal_v1B"]
    assert found["inversion_error"] < 1e-3
    assert found["auc_data_data"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [11, 12])
def test_the_smoke_preset_meets_its_claims(jobs: Jobs, tmp_path: Path, seed: int) -> None:
    out = tmp_path / "run"
    done = jobs("run", "one_flow", "--seed", str(seed), "--out", str(out), timeout=1400)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
