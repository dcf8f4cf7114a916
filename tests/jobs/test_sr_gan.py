"""sr_gan: showers are read out as said, shapes are those of closed forms, networks keep their promises, it learns."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vispa_green_jobs.context import RunContext

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")
Jobs = Callable[..., subprocess.CompletedProcess[str]]
seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def gaussian() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Two images in pixels of 5.5 mm: a round spot of σ = 8 mm at (11, −5.5) mm, and one with 16 mm along x."""
    at = (np.arange(48) - 23.5) * 5.5
    x, y = at[None, :], at[:, None]
    widths = (8.0, 16.0)
    return np.stack([np.exp(-(((x - 11) / wide) ** 2 + ((y + 5.5) / 8) ** 2) / 2) for wide in widths]).astype(
        np.float32
    )


def test_crystals_are_sums_of_pixels_with_noise_above_threshold(context: RunContext) -> None:
    from vispa_green_jobs.catalogue.sr_gan import toy

    showers = toy.generate(context, "some", 64, 12)
    exact = toy.in_crystals(showers.pixels)
    assert exact.sum(axis=(1, 2)) == pytest.approx(showers.pixels.sum(axis=(1, 2)), rel=1e-5)
    read = showers.crystals > 0
    assert showers.crystals[read].min() > toy.THRESHOLD_GEV
    assert np.std((showers.crystals - exact)[exact > 0.5]) == pytest.approx(toy.NOISE_GEV, rel=0.1)
    assert 20 * 0.9 < showers.pixels.sum(axis=(1, 2)).min() < showers.pixels.sum(axis=(1, 2)).max() <= 100
    assert showers.is_pion.sum() == 32


def test_pixels_show_where_a_photon_enters(context: RunContext) -> None:
    from vispa_green_jobs.catalogue.sr_gan import shapes, toy

    showers = toy.generate(context, "some", 64, 12)
    photon = ~showers.is_pion
    found = shapes.centroid_mm(showers.pixels[photon], 5.5)
    assert shapes.resolution_mm(found, 10 * showers.impact_cm[photon]) < 0.5


def test_centroid_and_width_of_a_gaussian(gaussian: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """Linear weights give the mean. With ρ² = r²/σ² − 2 ln(peak share) cut at w₀ the weights are a paraboloid:

    w = W − ρ²/2 out to ρ² = 2W, whose variance along an axis is σ² W/3.
    """
    from vispa_green_jobs.catalogue.sr_gan import shapes

    assert shapes.centroid_mm(gaussian, 5.5) == pytest.approx(np.array([[11, -5.5]] * 2), abs=0.01)
    for image, widest in zip(gaussian, (8.0, 16.0), strict=True):
        height = shapes.LOG_CUT + np.log(image.max() / image.sum())
        expected = widest * np.sqrt(height / 3)
        assert shapes.width_mm(image[None], 5.5)[0] == pytest.approx(expected, rel=0.05)  # pixels are coarse


def test_a_flat_image_is_smooth_and_a_point_is_rough() -> None:
    from vispa_green_jobs.catalogue.sr_gan import shapes

    flat, point = np.ones((1, 8, 8), np.float32), np.zeros((1, 8, 8), np.float32)
    point[0, 3, 4] = 7.0
    assert (shapes.roughness(flat)[0], shapes.roughness(point)[0]) == (0, 4)
    assert (shapes.hottest_share(flat)[0], shapes.hottest_share(point)[0]) == (1 / 64, 1)


@settings(max_examples=15)
@given(seed=seeds, conserving=st.booleans())
def test_a_generator_makes_no_negative_pixel_and_keeps_what_it_promises(seed: int, *, conserving: bool) -> None:
    from vispa_green_jobs.catalogue.sr_gan.losses import cell_difference
    from vispa_green_jobs.catalogue.sr_gan.network import Generator

    torch.manual_seed(seed)
    generator = Generator(1, 4, 2, conserving=conserving)
    crystals = torch.rand(3, 6, 6) * (torch.rand(3, 6, 6) > 0.5)
    # A new one spreads evenly.
    even = crystals.repeat_interleave(4, 1).repeat_interleave(4, 2) / 16
    assert torch.allclose(generator(crystals), even, atol=1e-6)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn_like(parameter))
        made = generator(crystals)
    assert float(made.min()) >= 0
    assert (float(cell_difference(made, crystals)) < 1e-4) == conserving


@settings(max_examples=20)
@given(seed=seeds)
def test_divergence_is_least_and_zero_at_the_truth(seed: int) -> None:
    from vispa_green_jobs.catalogue.sr_gan.losses import cell_difference, divergence

    generator = torch.Generator().manual_seed(seed)
    true = torch.rand(4, 8, 8, generator=generator) ** 4
    other = true * (1 + 0.5 * (torch.rand(4, 8, 8, generator=generator) - 0.5))
    assert float(divergence(true, true)) == pytest.approx(0, abs=1e-6)
    assert float(divergence(other, true)) > 1e-4
    # To second order it is χ²/2; and a tenth too much in each crystal is a tenth.
    assert float(divergence(1.01 * true, true)) == pytest.approx(0.01**2 / 2, rel=0.05)
    crystals = true.reshape(4, 2, 4, 2, 4).sum((2, 4))
    assert float(cell_difference(1.1 * true, crystals)) == pytest.approx(0.1, rel=1e-4)


def test_a_critic_learns_the_distance_that_is_there() -> None:
    """Images that differ by a constant δ in each of n pixels are √n δ apart; λ lets the slope exceed 1 a little."""
    from vispa_green_jobs.catalogue.sr_gan.losses import critic_loss

    torch.manual_seed(3)
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1), torch.nn.Flatten(0))
    optimiser = torch.optim.Adam(critic.parameters(), lr=0.02, betas=(0.0, 0.9))
    true = torch.rand(256, 1, 4, 4)
    made = torch.rand(256, 1, 4, 4) + 0.5
    for _ in range(400):
        optimiser.zero_grad()
        critic_loss(critic, true, made).backward()
        optimiser.step()
    found = float((critic(true).mean() - critic(made).mean()).detach())
    # d − 10 (d/w − 1)² is largest at d = w (1 + w/20) with w = 4 · 0.5.
    assert found == pytest.approx(2 * (1 + 2 / 20), rel=0.06)


def test_a_batch_turns_crystals_and_pixels_alike(context: RunContext) -> None:
    from vispa_green_jobs.catalogue.sr_gan import toy
    from vispa_green_jobs.catalogue.sr_gan.stages import Patches

    showers = toy.generate(context, "some", 8, 6)
    patches = Patches.of(showers, 4)
    torch.manual_seed(1)
    seen = set()
    for _ in range(24):
        crystals, pixels = patches.batch(torch.arange(8), torch.device("cpu"))
        summed = pixels.reshape(8, 4, 4, 4, 4).sum((2, 4))
        assert float((summed - crystals).abs().max()) < 0.25  # 5 σ of the noise, or the threshold
        seen.add(float(pixels[0, 3, 5]))
    assert len(seen) > 5


def test_perception_is_blind_to_nothing_and_sees_a_difference() -> None:
    from vispa_green_jobs.catalogue.sr_gan.losses import perceived_difference
    from vispa_green_jobs.catalogue.sr_gan.network import Identifier

    features = Identifier(16).features.requires_grad_(False)
    true = torch.rand(4, 1, 16, 16)
    assert float(perceived_difference(features, true, true)) == 0
    assert float(perceived_difference(features, true.flip(3), true)) > 0


def test_significance_is_that_of_paired_differences() -> None:
    from vispa_green_jobs.catalogue.sr_gan.identification import Trend

    crystals = np.array([[0.5, 0.6, 0.7], [0.7, 0.7, 0.7]])
    trend = Trend((10, 20), crystals, crystals + np.array([[0.1, 0.2, 0.3], [0.01, 0.02, 0.03]]))
    assert trend.gain == pytest.approx([0.2, 0.02])
    assert trend.significance == pytest.approx([0.2 / (0.1 / np.sqrt(3)), 0.02 / (0.01 / np.sqrt(3))])


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_sees_more_than_crystals(jobs: Jobs, tmp_path: Path) -> None:
    """Of even pixels the centroid ratio is 1; a generator that learnt nothing has no correlation to gain."""
    out = tmp_path / "run"
    changes = [
        "train_events=1200",
        "test_events=800",
        "batch=16",
        "split_steps=500",
        "perceptual_steps=40",
        "critic_steps=60",
        "adversarial_steps=30",
        "identification_events=[100,400]",
        "identification_steps=[40,60]",
        "identification_repetitions=3",
    ]
    done = jobs("run", "sr_gan", "--seed", "1", "--out", str(out), *(f"--set={change}" for change in changes))
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["centroid_ratio"] < 0.35
    assert found["width_correlation_gain"] > 0.05
    assert found["auc_width_true"] > 0.95
    assert found["width_photon_deviation"] < 0.25
    assert found["width_pion_deviation"] < 0.25
    assert found["energy_deviation"] < 1e-3
    assert found["lowest_pixel_gev"] >= 0


def test_the_window_holds_the_hottest_crystal() -> None:
    from vispa_green_jobs.catalogue.sr_gan import toy
    from vispa_green_jobs.catalogue.sr_gan.identification import WINDOW, window

    crystals = np.zeros((144, 12, 12), np.float32)
    crystals.reshape(144, 144)[np.arange(144), np.arange(144)] = np.arange(1, 145)
    seen = window(toy.spread(crystals), crystals)
    assert seen.shape == (144, WINDOW * 4, WINDOW * 4)
    assert seen.sum(axis=(1, 2)) == pytest.approx(np.arange(1, 145))
    # In the middle, unless that would reach beyond the edge.
    middle = seen[5 * 12 + 6, 8:12, 8:12]
    assert middle == pytest.approx(np.full((4, 4), (5 * 12 + 7) / 16))


def test_a_free_generator_learns_to_keep_what_crystals_say(context: RunContext) -> None:
    """Without the softmax the losses hold the sums; it begins with a third too much everywhere."""
    from vispa_green_jobs.catalogue.sr_gan import toy
    from vispa_green_jobs.catalogue.sr_gan.losses import cell_difference, divergence
    from vispa_green_jobs.catalogue.sr_gan.network import Generator

    showers = toy.generate(context, "some", 32, 6)
    crystals, pixels = torch.from_numpy(showers.crystals), torch.from_numpy(showers.pixels)
    torch.manual_seed(4)
    generator = Generator(1, 8, 4, conserving=False)
    torch.nn.init.constant_(generator.last[-1].bias, 0.5)
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        made = generator(crystals)
        cells = cell_difference(made, crystals)
        losses.append((float(cells.detach()), float(divergence(made, pixels).detach())))
        optimiser.zero_grad()
        (divergence(made, pixels) + cells).backward()
        optimiser.step()
    assert losses[0][0] > 0.3
    assert losses[-1][0] < 0.1
    assert losses[-1][1] < 0.8 * losses[0][1]
