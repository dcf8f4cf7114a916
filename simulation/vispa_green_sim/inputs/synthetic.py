"""Made workloads: arrivals with a day and a week, log-normal run times, widths in powers of two. Seeded.

A file of this format is a TOML table of the fields of `Recipe`; the model is deliberately simple and
meant for tests and benchmarks, not for conclusions about a site.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vispa_green.errors import did_you_mean
from vispa_green_sim.errors import WorkloadError
from vispa_green_sim.inputs import Options
from vispa_green_sim.workload import Workload

WEEK_H = 168


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make."""

    jobs: int = 10_000
    processors: int = 256
    load: float = 0.7
    """Work offered as a part of what the machine can do."""
    users: int = 40
    median_run_s: int = 900
    spread: float = 1.8
    """σ of the logarithm of the run time."""
    widest_part: float = 0.25
    """The widest job as a part of the machine."""
    seed: int = 1

    def __post_init__(self) -> None:
        least = {"jobs": 1, "processors": 1, "users": 1, "median_run_s": 1, "load": 1e-6, "spread": 0.0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise WorkloadError(f"synthetic workload: {name} = {getattr(self, name)}; the least is {bound}")


def read(path: Path, options: Options) -> Workload:
    """Make the workload that a TOML file describes; raise `WorkloadError` for an unknown key."""
    try:
        wanted = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorkloadError(f"{path}: {error}; a synthetic workload is a TOML file such as 'jobs = 1000'") from error
    known = [field.name for field in dataclasses.fields(Recipe)]
    for key in wanted:
        if key not in known:
            raise WorkloadError(f"{path}: no setting {key!r}{did_you_mean(key, known)}; known: {', '.join(known)}")
    made = make(Recipe(**wanted))
    return made.clamped(options.processors) if options.processors else made


def make(recipe: Recipe) -> Workload:
    """Make a workload; the same recipe, the same bytes."""
    dice = np.random.default_rng(recipe.seed)
    run = np.maximum(1, np.round(np.exp(dice.normal(np.log(recipe.median_run_s), recipe.spread, recipe.jobs))))
    run = np.minimum(run, 7 * 86_400).astype(np.int64)
    widest = max(1, int(recipe.processors * recipe.widest_part))
    width = np.minimum(2 ** np.floor(dice.uniform(0, np.log2(widest) + 1, recipe.jobs)), widest).astype(np.int64)
    generosity = dice.choice([1.0, 1.5, 3.0, 10.0], recipe.jobs, p=[0.1, 0.3, 0.4, 0.2])
    request = np.ceil(run * generosity / 300).astype(np.int64) * 300
    span = int((run * width).sum() / recipe.processors / recipe.load) + 1
    user = dice.zipf(1.6, recipe.jobs) % recipe.users
    return Workload.sorted(
        name=f"synthetic-{recipe.seed}",
        job_id=[str(number) for number in range(1, recipe.jobs + 1)],
        submit_s=[int(moment) for moment in np.sort(_arrivals(recipe.jobs, span, dice))],
        run_s=run.tolist(),
        request_s=request.tolist(),
        processors=width.tolist(),
        user=[f"u{number:03d}" for number in user],
        machine_processors=recipe.processors,
    )


def _arrivals(jobs: int, span_s: int, dice: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Draw times of submission from hours weighted by working time, so that queues have tides."""
    hours = np.arange(span_s // 3600 + 1)
    is_day = (hours % 24 >= 8) & (hours % 24 < 19)
    weight = np.where(is_day, 1.0, 0.35) * np.where(hours % WEEK_H < 120, 1.0, 0.45)
    chosen = dice.choice(hours, jobs, p=weight / weight.sum())
    return np.minimum(chosen * 3600 + dice.integers(0, 3600, jobs), span_s).astype(np.int64)
