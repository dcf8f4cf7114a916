"""Super-resolved images against the truth, on showers that no training has seen."""

from __future__ import annotations

import numpy as np

from vispa_green_jobs.catalogue.sr_gan import shapes
from vispa_green_jobs.catalogue.sr_gan.identification import Trend
from vispa_green_jobs.catalogue.sr_gan.toy import CRYSTAL_CM, SPLIT, Array, Images, Showers, in_crystals
from vispa_green_jobs.shared.judging import boosted_auc
from vispa_green_jobs.shared.metrics import auc, kolmogorov_smirnov

CRYSTAL_MM = 10 * CRYSTAL_CM
PIXEL_MM = CRYSTAL_MM / SPLIT


def widths(showers: Showers, made: Images) -> dict[str, Array]:
    """Return the widths in mm in crystals, in made and in true pixels."""
    return {
        "crystals": shapes.width_mm(showers.crystals, CRYSTAL_MM),
        "made": shapes.width_mm(made, PIXEL_MM),
        "true": shapes.width_mm(showers.pixels, PIXEL_MM),
    }


def judged(showers: Showers, made: Images) -> dict[str, float]:
    """Return what the claims are about: position, width, energy."""
    return {**_positions(showers, made), **_width_figures(showers, made), **_energies(showers, made)}


def likeness(showers: Showers, made: Images, stage: str, seed: int) -> dict[str, float]:
    """Return how well made pixels are told from true ones: the effect of the critic is a difference of these."""
    columns = [
        np.column_stack([shapes.width_mm(images, PIXEL_MM), shapes.hottest_share(images), shapes.roughness(images)])
        for images in (showers.pixels, made)
    ]
    found = {f"judge_auc_{stage}": boosted_auc(*columns, seed=seed, rounds=60)}
    for index, name in enumerate(("width", "hottest_share", "roughness")):
        found[f"ks_{name}_{stage}"] = kolmogorov_smirnov(columns[0][:, index], columns[1][:, index])
    return found


def of_trend(trend: Trend) -> dict[str, float]:
    """Return the identification at each number of labelled events."""
    found = {}
    for index, events in enumerate(trend.events):
        found[f"id_auc_crystals_{events}"] = float(trend.crystals[index].mean())
        found[f"id_auc_made_{events}"] = float(trend.made[index].mean())
        found[f"id_gain_{events}"] = float(trend.gain[index])
    found["id_gain_significance"] = float(trend.significance[0])
    found["id_gain_fewest"] = float(trend.gain[0])
    found["id_gain_shrinks_by"] = float(trend.gain[0] - trend.gain[-1])
    return found


def _positions(showers: Showers, made: Images) -> dict[str, float]:
    """Photons only: the impact of a π⁰ is that of neither of its photons."""
    photon = ~showers.is_pion
    true = 10 * showers.impact_cm[photon]
    found = {}
    for name, images, pitch in (
        ("crystals", showers.crystals, CRYSTAL_MM),
        ("made", made, PIXEL_MM),
        ("true", showers.pixels, PIXEL_MM),
    ):
        for kind, logarithmic in (("", False), ("_log", True)):
            position = shapes.centroid_mm(images[photon], pitch, logarithmic=logarithmic)
            found[f"centroid{kind}_rms_{name}_mm"] = shapes.resolution_mm(position, true)
    found["centroid_ratio"] = found["centroid_rms_made_mm"] / found["centroid_rms_crystals_mm"]
    return found


def _width_figures(showers: Showers, made: Images) -> dict[str, float]:
    width, pion = widths(showers, made), showers.is_pion
    found = {f"auc_width_{name}": auc(values[pion], values[~pion]) for name, values in width.items()}
    found["auc_width_gain"] = found["auc_width_made"] - found["auc_width_crystals"]
    for name, rows in (("photon", ~pion), ("pion", pion)):
        for kind in ("made", "true"):
            found[f"width_{name}_{kind}_mm"] = float(width[kind][rows].mean())
        ratio = found[f"width_{name}_made_mm"] / found[f"width_{name}_true_mm"]
        found[f"width_{name}_deviation"] = abs(ratio - 1)
    for name in ("crystals", "made"):
        found[f"width_correlation_{name}"] = float(np.corrcoef(width[name], width["true"])[0, 1])
    found["width_correlation_gain"] = found["width_correlation_made"] - found["width_correlation_crystals"]
    return found


def _energies(showers: Showers, made: Images) -> dict[str, float]:
    """Against what the crystals show; what noise and threshold cost is the readout's, and told apart."""
    read, true = (images.sum(axis=(1, 2), dtype=np.float64) for images in (showers.crystals, showers.pixels))
    summed = made.sum(axis=(1, 2), dtype=np.float64)
    difference = np.abs(in_crystals(made) - showers.crystals).sum(axis=(1, 2), dtype=np.float64)
    return {
        "energy_deviation": float(np.abs(summed / read - 1).max()),
        "energy_of_truth": float((summed / true).mean()),
        "cell_difference": float((difference / read).mean()),
        "lowest_pixel_gev": float(made.min()),
    }
