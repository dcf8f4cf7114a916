"""learn_to_bin: it pauses between binnings, keeps what is done, and wins where the paper says it does. No torch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from vispa_green_binning import evaluate, load
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.errors import JobError

Jobs = Callable[..., subprocess.CompletedProcess[str]]


def test_an_even_number_of_regions_is_refused(context: RunContext) -> None:
    job = JOBS.load("learn_to_bin")()
    with pytest.raises(JobError, match="regions is 4; it must be odd"):
        job.run(job.settings("tiny", ["regions=4"]), context)


def test_boundaries_are_left_as_the_plug_in_reads_them(context: RunContext) -> None:
    """And the figures of the run are those of the binnings it leaves, on its unseen events."""
    from vispa_green_jobs.catalogue.learn_to_bin.bench import Bench, on

    job = JOBS.load("learn_to_bin")()
    settings = job.settings("tiny")
    found = job.run(settings, context)
    bench = Bench(settings, context)
    intervals, regions = load(bench.boundaries("binary", "3-gmm")), load(bench.boundaries("limited", "gmm"))
    assert on(intervals, bench.unseen("binary")).combined == found["gmm_3"]
    unseen = bench.unseen("limited")
    assert evaluate(regions, unseen.signals, unseen.background).combined == found["limited_gmm"]
    assert len(bench.unseen("binary").background.scores) == 2 * len(bench.learning("binary").background.scores)


@pytest.mark.full
def test_a_quarter_of_the_smoke_run_meets_most_of_its_claims(jobs: Jobs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = ["binary_events=[25000,75000]", "three_class_events=[40000,150000]", "bins=[3,10]", "unseen_factor=2"]
    done = jobs("run", "learn_to_bin", "--seed", "1", "--out", str(out), *(f"--set={change}" for change in changes))
    assert done.returncode in {0, 3}, done.stderr
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    for bins in (3, 10):
        assert 0.93 <= found[f"gmm_over_optimum_{bins}"] <= 1.05
        assert found[f"bayesian_over_optimum_{bins}"] >= 0.95
        # Above 1 only by a bin that on unseen events is below the limit.
        assert 0.93 <= found[f"gmm_over_ceiling_{bins}"] <= 1.03
        assert found[f"gmm_over_equidistant_{bins}"] >= 1.3
    assert found["least_background"] >= 10
    assert found["limited_gmm_over_quantiles"] >= 1.05
    assert found["limited_gmm_over_bayesian"] >= 1
    assert {path.stem for path in (out / "plots").iterdir()} == {"boundaries", "regions", "significances", "yields"}
