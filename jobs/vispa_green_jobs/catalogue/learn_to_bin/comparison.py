"""The work of the job: the plug-in's methods and what analyses do without them, on both toys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vispa_green_binning.baselines import argmax_equidistant, argmax_optimised, argmax_with_quantiles, equidistant
from vispa_green_binning.binning import Bins

from vispa_green_jobs.catalogue.learn_to_bin.bench import BINARY, LIMITED, SEPARABLE, Bench, Judged
from vispa_green_jobs.catalogue.learn_to_bin.plots import draw_bins, draw_significances
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.errors import JobError

if TYPE_CHECKING:
    from vispa_green_jobs.catalogue.learn_to_bin import Settings

LIMITED_ONES = ("exact", "gmm", "bayesian")
"""What keeps the limit on background; the baselines do not know it."""


def run(settings: Settings, context: RunContext) -> Mapping[str, float]:
    """Learn and judge; see `vispa_green_jobs.catalogue.learn_to_bin.run`."""
    if settings.regions % 2 == 0:
        raise JobError(f"regions is {settings.regions}; it must be odd: one for background, as many for each signal")
    bench = Bench(settings, context)
    intervals = {bins: judged_intervals(bench, bins) for bins in settings.bins}
    regions = {toy: judged_regions(bench, toy) for toy in (LIMITED, SEPARABLE)}
    draw_significances(context.plot("significances"), intervals)
    draw_bins(context, bench)
    found = _of_intervals(intervals)
    for toy, judged in regions.items():
        found[f"{toy}_gmm"] = judged["gmm"]["unseen"]
        found |= {f"{toy}_gmm_over_{name}": _ratio(judged, "gmm", name) for name in judged if name != "gmm"}
    every = [one[name] for one in (*intervals.values(), *regions.values()) for name in LIMITED_ONES if name in one]
    found["least_background"] = min(judged["least_seen"] for judged in every)
    found["least_background_unseen"] = min(judged["least_unseen"] for judged in every)
    return found


def judged_intervals(bench: Bench, bins: int) -> dict[str, Judged]:
    """Judge so many bins of one score; ``ceiling`` is the optimum of the unseen events themselves."""

    def learnt(method: str) -> Callable[[], Bins]:
        return lambda: bench.learnt(bench.learning(BINARY), bins, method)

    made: dict[str, Callable[[], Bins]] = {
        "exact": learnt("exact"),
        "gmm": learnt("gmm"),
        "bayesian": learnt("bayesian"),
        "equidistant": lambda: equidistant(bins),
        "ceiling": lambda: bench.learnt(bench.unseen(BINARY), bins, "exact"),
    }
    return {name: bench.judged(BINARY, f"{bins}-{name}", make) for name, make in made.items()}


def judged_regions(bench: Bench, toy: str) -> dict[str, Judged]:
    """Judge regions of two scores, and the argmax of the classes with bins of its score."""
    bins, least = bench.settings.regions, bench.settings.min_background
    per_signal = (bins - 1) // 2

    def optimised() -> Bins:
        sample = bench.learning(toy)
        return argmax_optimised(sample.signals, sample.background, per_signal, least)

    made: dict[str, Callable[[], Bins]] = {
        "gmm": lambda: bench.learnt(bench.learning(toy), bins, "gmm"),
        "bayesian": lambda: bench.learnt(bench.learning(toy), bins, "bayesian"),
        "quantiles": lambda: argmax_with_quantiles(bench.learning(toy).signals, per_signal),
        "optimised": optimised,
        "equidistant": lambda: argmax_equidistant(2, per_signal),
    }
    return {name: bench.judged(toy, name, make) for name, make in made.items()}


def _of_intervals(intervals: Mapping[int, Mapping[str, Judged]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for bins, judged in intervals.items():
        found[f"gmm_{bins}"] = judged["gmm"]["unseen"]
        found[f"gmm_over_optimum_{bins}"] = _ratio(judged, "gmm", "exact")
        found[f"gmm_over_ceiling_{bins}"] = _ratio(judged, "gmm", "ceiling")
        found[f"gmm_over_seen_optimum_{bins}"] = judged["gmm"]["unseen"] / judged["exact"]["seen"]
        found[f"gmm_over_equidistant_{bins}"] = _ratio(judged, "gmm", "equidistant")
        found[f"bayesian_over_optimum_{bins}"] = _ratio(judged, "bayesian", "exact")
        found[f"bayesian_over_gmm_{bins}"] = _ratio(judged, "bayesian", "gmm")
    return found


def _ratio(judged: Mapping[str, Judged], name: str, other: str) -> float:
    """Compare two significances on unseen events."""
    return judged[name]["unseen"] / judged[other]["unseen"]
