"""What may be given, what is refused and how; what must not be imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
from vispa_green_binning import BinningError, IntervalBinning, Sample, evaluate, learn_bins, to_hist
from vispa_green_binning.plots import draw_scores, draw_yields

from tests.binning.samples import line, plane

GOOD = np.linspace(0, 1, 200)


def filled(sample: Sample, cells: int = 200) -> Any:  # noqa: ANN401 - hist has no type without generics
    axes = [hist.axis.Regular(cells, 0, 1) for _ in range(sample.dimensions)]
    return hist.Hist(*axes, storage=hist.storage.Weight()).fill(*sample.scores.T, weight=sample.weights)


@pytest.mark.parametrize("method", ["gmm", "bayesian", "exact"])
def test_a_histogram_is_rebinned_exactly(method: str) -> None:
    """Boundaries learnt from histograms are edges of theirs; so histogram and events agree on them."""
    signal, background = line()
    binning = learn_bins(filled(signal), filled(background), 5, method, effort=1)
    assert isinstance(binning, IntervalBinning)
    assert np.array(binning.edges) * 200 == pytest.approx(np.round(np.array(binning.edges) * 200))
    of_histogram, of_events = binning.histogram(filled(background)), binning.histogram(background)
    assert of_histogram.values == pytest.approx(of_events.values)
    assert of_histogram.variances == pytest.approx(of_events.variances)
    shown = to_hist(of_events)
    assert shown.values() == pytest.approx(of_events.values)
    assert shown.variances() == pytest.approx(of_events.variances)


def test_histograms_in_a_plane_give_regions() -> None:
    signals, background = plane()
    binning = learn_bins({n: filled(s, 50) for n, s in signals.items()}, filled(background, 50), 4, effort=1)
    assert binning.histogram(filled(background, 50)).values.sum() == pytest.approx(2000)


def test_a_tuple_is_scores_and_weights_and_an_array_has_weights_of_one() -> None:
    assert Sample.of((GOOD, 0.5)).total == 100
    assert Sample.of(GOOD.tolist()).total == 200


@pytest.mark.parametrize(
    ("signal", "background", "options", "text"),
    [
        (np.array([0.1, np.nan]), GOOD, {}, "1 of 2 events of signal 'signal' have a score that is not finite"),
        ((GOOD, np.ones(3)), GOOD, {}, "200 events but weights of shape (3,)"),
        ((GOOD, np.full(200, np.inf)), GOOD, {}, "weights that are not finite"),
        (GOOD[:, None, None], GOOD, {}, "have shape (200, 1, 1)"),
        (["a", "b"], GOOD, {}, "are no array of numbers"),
        ({}, GOOD, {}, "there is no signal"),
        (np.empty(0), GOOD, {}, "a yield of 0; it must be positive"),
        (GOOD, np.empty(0), {}, "a background of 0 cannot fill 5 bins"),
        (GOOD, GOOD, {"min_background": 50}, "a background of 200 cannot fill 5 bins with 50 each"),
        (GOOD, GOOD, {"min_background": -1}, "must not be negative"),
        (GOOD, GOOD, {"max_uncertainty": 0}, "must be positive"),
        (GOOD, GOOD, {"n_bins": 0}, "n_bins is 0"),
        (GOOD, GOOD, {"effort": 0}, "effort is 0"),
        (GOOD, GOOD, {"method": "magic"}, "no method called 'magic'; known: gmm, bayesian, exact"),
        (GOOD[:, None] * [1, 1], GOOD, {}, "has 2 scores per event, the background has 1"),
        (GOOD[:, None] * [1, 1], GOOD[:, None] * [1, 1], {"method": "exact"}, "one score per event"),
        (GOOD[:, None] * [1, 0], GOOD[:, None] * [1, 1], {}, "the same score 0 in dimension 1"),
        ({"a": GOOD, "b": GOOD}, GOOD, {"method": "exact"}, "for one signal"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    signal: object, background: object, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(BinningError, match=re.escape(text)):
        learn_bins(signal, background, **{"n_bins": 5, **options})


def test_histograms_that_would_lose_events_are_refused() -> None:
    over: Any = hist.Hist(hist.axis.Regular(10, 0, 1)).fill([0.5, 1.5])
    with pytest.raises(BinningError, match="under- or overflow"):
        learn_bins(over, GOOD, 2)
    coarse: Any = hist.Hist(hist.axis.Regular(10, 0, 1)).fill([0.5])
    with pytest.raises(BinningError, match=r"no edge at 0\.33"):
        IntervalBinning((0.33,)).histogram(coarse)
    with pytest.raises(BinningError, match="1 scores per event, not 2"):
        IntervalBinning((0.33,)).assign(np.ones((3, 2)))
    with pytest.raises(BinningError, match="ascending"):
        IntervalBinning((0.5, 0.5))


def test_pictures_are_drawn(tmp_path: Path) -> None:
    signal, background = line()
    signals, below = plane()
    intervals, regions = learn_bins(signal, background, 3, "exact"), learn_bins(signals, below, 4, effort=1)
    draw_yields(evaluate(regions, signals, below), "toy").savefig(tmp_path / "yields.png")
    draw_scores(intervals, signal, background).savefig(tmp_path / "line.png")
    draw_scores(regions, signals, below).savefig(tmp_path / "plane.png")
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("yields.png", "line.png", "plane.png"))
    with pytest.raises(BinningError, match="cannot be drawn"):
        draw_scores(regions, np.ones((5, 3)), np.ones((5, 3)))


def test_the_plug_in_alone_needs_what_the_extra_needs() -> None:
    root = Path(__file__).parents[2]
    alone = tomllib.loads((root / "plugins/binning/pyproject.toml").read_text())["project"]
    whole = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert alone["dependencies"] == whole["optional-dependencies"]["binning"]
    assert [alone[key] for key in ("version", "requires-python", "license")] == [
        whole[key] for key in ("version", "requires-python", "license")
    ]


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_learning_with_the_gradient_needs_numpy_only() -> None:
    program = """
import json, sys
import numpy as np
from vispa_green_binning import learn_bins, toys
learn_bins((np.linspace(0.2, 1, 90), 0.1), np.linspace(0, 1, 900), 3, effort=1)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    heavy = {"vispa_green", "torch", "optuna", "hist", "boost_histogram", "matplotlib", "scipy"}
    assert not heavy & set(json.loads(run(program)))


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("optuna", "learn_bins(x, x, 3, 'bayesian')"),
        ("hist", "to_hist(learn_bins(x, x, 2, 'exact').histogram(x))"),
        ("matplotlib.figure", "plots.draw_scores(learn_bins(x, x, 2, 'exact'), x, x)"),
    ],
)
def test_a_missing_package_is_named_with_its_installation(package: str, call: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None  # Python's own way to say that it is not there
import numpy as np
from vispa_green_binning import MissingExtra, learn_bins, plots, to_hist
x = np.linspace(0, 1, 99)
try:
    {call}
except MissingExtra as missing:
    print(missing)
"""
    name = package.partition(".")[0]
    assert run(program) == f"{name} is not installed; run: pip install 'vispa-green[binning]'\n"
