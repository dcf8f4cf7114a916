"""What each green policy saves and whom it makes wait: the runs behind docs/simulation/queue-aware.md.

    python simulation/studies/tradeoff.py --out docs/simulation/queue-aware-runs.csv
    python simulation/studies/tradeoff_plot.py docs/simulation/queue-aware-runs.csv docs/simulation/

Real traces under EASY with the production's policy objects; one row for each trace, adoption, seed and
rule. Within a seed all rules see the same input: submissions shaken by ± 15 min, the same users taking
part. Rows that are in the file already are not computed again, so a run may be stopped and resumed.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from vispa_green_sim.account import job_emissions_g
from vispa_green_sim.adoption import Adoption, adopters
from vispa_green_sim.engine import simulate
from vispa_green_sim.forecasts import Forecasts, forecasts_of
from vispa_green_sim.grid import GridClock, GridSeries, from_csv
from vispa_green_sim.inputs import Options, read_workload
from vispa_green_sim.interventions import Knowledge, Trial
from vispa_green_sim.interventions.green_windows import GreenWindows
from vispa_green_sim.machine import Machine
from vispa_green_sim.result import Run
from vispa_green_sim.workload import Workload

from vispa_green.model import Policy, Quantity, Signal
from vispa_green.policies import POLICIES
from vispa_green.policies.queue_aware import QueueAware

DATA = Path(os.environ.get("VISPA_GREEN_DATA", Path(__file__).parents[3] / "shared" / "data"))
TRACES = {
    "KTH": ("KTH-SP2-1996-2.1-cln.swf.gz", 100, None),
    "HPC2N-50k": ("HPC2N-2002-2.1-cln.swf.gz", 240, 50_000),
    "HPC2N": ("HPC2N-2002-2.1-cln.swf.gz", 240, None),
}
YEAR = datetime(2025, 1, 1, tzinfo=UTC)
SLACK_S = 12 * 3600
SHAKE_S = 900
LONGEST_VIEW_S = 40 * 86_400
STEP_S = 900
STEP = timedelta(seconds=STEP_S)
CPU_MW = 10_000
"""The power of a busy processor. It cancels out of every figure."""

PRICES = (0.0, 1.0, 5.0, 10.0, 20.0)
"""Of an hour's waiting, in g/kWh of the whole machine; the policy's own comes on top."""

NAMED = ("best_mean", "threshold", "capped_delay", "lowest_slots", "if_queue_empty", "if_machine_free", "queue_aware")
RULES: dict[str, Callable[[], Policy]] = {
    **{name: partial(POLICIES.make, name, None, {}) for name in NAMED},
    **{f"queue_aware {price:g}": partial(QueueAware, {Quantity.CARBON_INTENSITY: price}) for price in PRICES},
}


@dataclass(frozen=True, slots=True)
class Case:
    """One run to make; ``view`` says what policies see of the grid: ``perfect``, or a forecast's name."""

    trace: str
    adoption_pct: int
    seed: int
    rule: str
    view: str = "perfect"


@dataclass(frozen=True, slots=True)
class Row:
    """What a rule changed against the run without interventions, on the same input."""

    trace: str
    adoption_pct: int
    seed: int
    rule: str
    view: str
    saved_pct: float
    """of the CO2 of all jobs' dynamic energy"""
    adopters_added_s: float
    """change of the mean wait of those who take part"""
    others_added_s: float
    others_added_pct: float
    held_pct: float
    """of the jobs of those who take part, held for any time"""
    most_held_s: int


class Perfect:
    """Forecasts that come true, as far ahead as any job is long: the queue's effect alone is to be seen."""

    def __init__(self, clock: GridClock, until_s: int) -> None:
        """Lay out the whole series once; plain lists, as means are asked for by the million."""
        self.clock = clock
        self.quantity = Quantity.CARBON_INTENSITY
        self._values: list[float] = clock.values_between(0, until_s, STEP_S).tolist()
        self._area: list[float] = [0.0, *accumulate(self._values)]
        self.edges = tuple(clock.moment(step * STEP_S) for step in range(len(self._area)))
        self._values.append(self._values[-1])  # a span may end with the series

    def issued(self, now_s: int) -> Signal:
        """Return everything."""
        return self

    def mean(self, start: datetime, end: datetime) -> float:
        """Return the mean over a span within the series."""
        begin, area, values = self.clock.start, self._area, self._values
        first, last = (start - begin) / STEP, (end - begin) / STEP
        low, high = int(first), int(last)
        total = area[high] + (last - high) * values[high] - area[low] - (first - low) * values[low]
        return total / (last - first)


def quarter_hours(hourly: GridSeries) -> GridSeries:
    """Return the series interpolated linearly between the middles of its hours."""
    edges = np.arange(hourly.edges_epoch_s[0], hourly.edges_epoch_s[-1] + 1, 900)
    middles = (hourly.edges_epoch_s[:-1] + hourly.edges_epoch_s[1:]) / 2
    return GridSeries(hourly.quantity, edges, np.interp((edges[:-1] + edges[1:]) / 2, middles, hourly.values))


@cache
def grid(origin_epoch_s: int) -> GridClock:
    """Return the German grid of 2025 laid along a trace: its time of year, moved to the same day of the week.

    After 52 weeks the series begins again.
    """
    path = DATA / "grid" / "de_smard_2025_hourly.csv"
    series = quarter_hours(from_csv(path, Quantity.CARBON_INTENSITY, column="ci_lc_g_kwh"))
    origin = datetime.fromtimestamp(origin_epoch_s, UTC)
    start = YEAR + (origin - origin.replace(month=1, day=1, hour=0, minute=0, second=0))
    start += timedelta(days=(origin.weekday() - start.weekday() + 3) % 7 - 3)
    return GridClock(series, start)


@cache
def trace(name: str) -> Workload:
    """Return a trace, read once."""
    file, processors, jobs = TRACES[name]
    workload = read_workload(DATA / "workloads" / file, Options(processors))
    return workload if jobs is None else workload.picked(range(jobs))


def shaken(workload: Workload, seed: int) -> Workload:
    """Return the workload with every submission moved by up to ± 15 min."""
    moves = np.random.default_rng(seed).integers(-SHAKE_S, SHAKE_S + 1, len(workload))
    columns = {f.name: getattr(workload, f.name) for f in fields(workload)}
    columns["submit_s"] = [max(0, s + int(m)) for s, m in zip(workload.submit_s, moves, strict=True)]
    return Workload.sorted(**columns)


def compared(case: Case, before: Run, after: Run, adopts: np.ndarray, clock: GridClock) -> Row:
    """Return what changed."""
    powers = [CPU_MW * processors for processors in before.workload.processors]
    grams = job_emissions_g(before, powers, clock).sum(), job_emissions_g(after, powers, clock).sum()
    added = after.wait_s - before.wait_s
    others = float(added[~adopts].mean()) if not adopts.all() else 0.0
    waited = float(before.wait_s[~adopts].mean()) if not adopts.all() else 1.0
    held = np.asarray(after.released) - np.asarray(after.workload.submit_s)
    return Row(
        **asdict(case),
        saved_pct=100 * float(1 - grams[1] / grams[0]),
        adopters_added_s=float(added[adopts].mean()),
        others_added_s=others,
        others_added_pct=100 * others / waited,
        held_pct=100 * float((held[adopts] > 0).mean()),
        most_held_s=int(held.max()),
    )


def rows(group: tuple[Case, ...]) -> list[Row]:
    """Make the runs of one trace, adoption and seed; they share the run without interventions."""
    first = group[0]
    workload = shaken(trace(first.trace), first.seed)
    machine = Machine.of_processors(TRACES[first.trace][1])
    clock = grid(workload.origin_epoch_s or 0)
    adopts = adopters(workload, Adoption(first.adoption_pct / 100), first.seed)
    before = simulate(workload, machine)
    perfect = Perfect(clock, workload.submit_s[-1] + SLACK_S + LONGEST_VIEW_S)
    trial = Trial.of(workload, machine, [CPU_MW] * len(workload))
    made = []
    for case in group:
        seen: Forecasts = perfect if case.view == "perfect" else forecasts_of(case.view, clock)
        intervention = GreenWindows(RULES[case.rule](), SLACK_S)
        changed = intervention.applied(trial, Knowledge(seen, adopts, case.seed))
        after = simulate(workload, machine, conditions=changed.for_engine())
        made.append(compared(case, before, after, adopts, clock))
    return made


def read(path: Path) -> list[Row]:
    """Return the rows of a file, none if it is not there."""
    if not path.exists():
        return []
    kinds = {f.name: {"str": str, "int": int, "float": float}[str(f.type)] for f in fields(Row)}
    with path.open(newline="", encoding="utf-8") as file:
        return [Row(**{key: kinds[key](text) for key, text in line.items()}) for line in csv.DictReader(file)]


def write(path: Path, made: list[Row]) -> None:
    """Write the rows in a fixed order."""
    made = sorted(made, key=lambda row: (row.trace, row.view, row.adoption_pct, row.rule, row.seed))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([f.name for f in fields(Row)])
        writer.writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values()] for row in made
        )


def missing(args: argparse.Namespace, done: list[Row]) -> Iterator[tuple[Case, ...]]:
    """Yield groups of cases that are not in the file yet."""
    known = {Case(row.trace, row.adoption_pct, row.seed, row.rule, row.view) for row in done}
    for seed in range(args.seeds):
        for name in args.traces:
            for adoption in args.adoption:
                cases = (Case(name, adoption, seed, rule, args.view) for rule in args.rules)
                if group := tuple(case for case in cases if case not in known):
                    yield group


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--traces", nargs="+", default=["KTH", "HPC2N-50k"], choices=TRACES)
    parser.add_argument("--adoption", nargs="+", type=int, default=[25, 100], metavar="PCT")
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    parser.add_argument("--view", default="perfect", help="what policies see: perfect, day_ahead, persistence")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    done = read(args.out)
    groups = list(missing(args, done))
    with ProcessPoolExecutor(args.workers) as pool:
        futures = [pool.submit(rows, group) for group in groups]
        for count, future in enumerate(as_completed(futures), 1):
            done += future.result()
            write(args.out, done)
            print(f"{count} of {len(groups)}", flush=True)


if __name__ == "__main__":
    main()
