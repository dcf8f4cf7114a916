"""The bound beside the trade-off: what no rule can beat, for the same inputs as `tradeoff.py`.

python simulation/studies/tradeoff_bound.py --out docs/simulation/queue-aware-bound.csv
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from tradeoff import SLACK_S, TRACES, grid, shaken, trace
from vispa_green_sim.adoption import Adoption, adopters
from vispa_green_sim.bound import Problem, bound
from vispa_green_sim.engine import simulate
from vispa_green_sim.machine import Machine

PRICES = (0.0, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)
"""Of an hour's waiting, in g/kWh of the whole machine."""

COLUMNS = ("trace", "adoption_pct", "seed", "price_per_wait", "most_saved_pct", "uncontended_pct", "pct_per_mean_s")


def lines(
    name: str, adoption_pct: int, seed: int, steps: int
) -> list[tuple[str, int, int, float, float, float, float]]:
    """Return one bound for each price; the last column is what a second of mean added wait is worth in %."""
    processors = TRACES[name][1]
    workload = shaken(trace(name), seed)
    adopts = adopters(workload, Adoption(adoption_pct / 100), seed)
    run = simulate(workload, Machine.of_processors(processors))
    problem = Problem.of(run, adopts, grid(workload.origin_epoch_s or 0), SLACK_S)
    made = []
    for price in PRICES:
        found = bound(problem, price * processors, steps)
        worth = found.at(1.0, int(adopts.sum()), problem.total) - found.most_saved_pct
        made.append((name, adoption_pct, seed, price, found.most_saved_pct, found.uncontended_pct, worth))
        print(made[-1], flush=True)
    return made


def main() -> None:
    """Compute and write all bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    args = parser.parse_args()
    cases = [
        (name, adoption, seed)
        for seed in range(args.seeds)
        for name in ("KTH", "HPC2N-50k")
        for adoption in (25, 100)
    ]
    made = [line for case in cases for line in lines(*case, args.steps)]
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in made)


if __name__ == "__main__":
    main()
