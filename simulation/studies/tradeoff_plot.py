"""The table and the curve of docs/simulation/queue-aware.md, from the rows of `tradeoff.py` and its bound.

python simulation/studies/tradeoff_plot.py RUNS.csv BOUND.csv OUT_FOLDER
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from tradeoff import Row, read

mpl.use("svg")
from matplotlib import pyplot as plt

NAIVE = "best_mean"
PANELS = (("KTH", 25), ("KTH", 100), ("HPC2N-50k", 25), ("HPC2N-50k", 100))
RESAMPLES = 4000
LABELS = {
    "best_mean": "naive (best_mean)",
    "threshold": "threshold",
    "capped_delay": "capped_delay (6 h)",
    "lowest_slots": "lowest_slots",
    "if_queue_empty": "only if the queue is empty",
    "if_machine_free": "only if it would start now",
    "queue_aware": "queue_aware",
}
Table = npt.NDArray[np.float64]
"""One line per seed: the rule's saving, wait, others' s and %, held %, then the naive rule's saving and wait."""
Tables = dict[tuple[str, int, str], Table]


def by_rule(rows: Sequence[Row]) -> Tables:
    """Pair each rule's runs with the naive ones of the same seeds."""
    naive = {(r.trace, r.adoption_pct, r.seed): r for r in rows if r.rule == NAIVE}
    tables: dict[tuple[str, int, str], list[list[float]]] = defaultdict(list)
    for row in sorted(rows, key=lambda one: one.seed):
        base = naive.get((row.trace, row.adoption_pct, row.seed))
        if base is not None and row.view == base.view:
            line = [row.saved_pct, row.adopters_added_s, row.others_added_s, row.others_added_pct, row.held_pct]
            tables[row.trace, row.adoption_pct, row.rule].append([*line, base.saved_pct, base.adopters_added_s])
    return {key: np.array(lines) for key, lines in tables.items()}


def kept(means: Table) -> Table:
    """Return the part of the naive saving, in %."""
    return 100 * means[..., 0] / means[..., 5]


def per_hour(means: Table) -> Table:
    """Return how much more is saved per hour of added waiting than naively."""
    return means[..., 0] / means[..., 1] / (means[..., 5] / means[..., 6])


FIGURES: tuple[tuple[str, str, Callable[[Table], Table]], ...] = (
    ("CO2 saved %", "{:.2f}", lambda m: m[..., 0]),
    ("of naive %", "{:.0f}", kept),
    ("adopters' wait s", "{:+,.0f}", lambda m: m[..., 1]),
    ("others' wait s", "{:+,.0f}", lambda m: m[..., 2]),
    ("others' wait %", "{:+.1f}", lambda m: m[..., 3]),
    ("held %", "{:.0f}", lambda m: m[..., 4]),
    ("per hour of waiting", "× {:.2f}", per_hour),
)


def cell(table: Table, text: str, figure: Callable[[Table], Table]) -> str:
    """Return a mean over seeds with its 95 % interval (bootstrap over seeds)."""
    draws = np.random.default_rng(1).integers(0, len(table), (RESAMPLES, len(table)))
    low, high = np.percentile(figure(table[draws].mean(axis=1)), [2.5, 97.5])
    middle = text.format(float(figure(table.mean(axis=0))))
    if low == high:  # one seed, or the same in all
        return "–" if not low else middle
    bare = text.replace("× ", "")
    return f"{middle} [{bare.format(low)} … {bare.format(high)}]"


def markdown(tables: Tables) -> str:
    """Return the table."""
    lines = ["| trace, adoption | rule | seeds | " + " | ".join(name for name, _, _ in FIGURES) + " |"]
    lines.append("|" + "---|" * (len(FIGURES) + 3))
    for trace, adoption in PANELS:
        for rule in sorted(tables, key=lambda key: _order(key[2])):
            if rule[:2] == (trace, adoption):
                table = tables[rule]
                cells = " | ".join(cell(table, text, figure) for _, text, figure in FIGURES)
                lines.append(f"| {trace}, {adoption} % | {LABELS.get(rule[2], rule[2])} | {len(table)} | {cells} |")
    return "\n".join(lines) + "\n"


def _order(rule: str) -> tuple[int, float]:
    return (list(LABELS).index(rule), 0.0) if rule in LABELS else (len(LABELS), float(rule.split()[1]))


def bound_curve(path: Path, trace: str, adoption: int, tables: Tables) -> tuple[Table, Table]:
    """Return the bound as parts of the naive wait and saving: the least of all lines, mean over its seeds."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = [
            line for line in csv.DictReader(file) if (line["trace"], line["adoption_pct"]) == (trace, str(adoption))
        ]
    naive = tables[trace, adoption, NAIVE]
    share = np.linspace(-0.2, 1.1, 131)
    curves = []
    for seed in sorted({int(line["seed"]) for line in lines}):
        saved, wait = naive[seed, 5], naive[seed, 6]
        mine = [line for line in lines if int(line["seed"]) == seed]
        heights = [float(x["most_saved_pct"]) + float(x["pct_per_mean_s"]) * share * wait for x in mine]
        curves.append(np.min(heights, axis=0) / saved)
    return share, np.mean(curves, axis=0)


def draw(tables: Tables, bounds: Path, out: Path) -> None:
    """Draw the curve, all in parts of the naive rule's saving and wait."""
    mpl.rcParams.update({"svg.hashsalt": "queue-aware", "font.size": 9})
    figure, axes = plt.subplots(2, 2, figsize=(10, 8), sharex=True, sharey=True, layout="constrained")
    for axis, (trace, adoption) in zip(axes.flat, PANELS, strict=True):
        x, y = bound_curve(bounds, trace, adoption, tables)
        axis.plot(x, y, "k--", lw=1, label="bound (all known beforehand)")
        axis.fill_between(
            [0, 0.25, 1 / 3], [0.75, 0.75, 1.0], 3, color="tab:green", alpha=0.12, lw=0, label="asked for"
        )
        mine = {rule: table.mean(axis=0) for (t, a, rule), table in tables.items() if (t, a) == (trace, adoption)}
        points = {rule: (means[1] / means[6], means[0] / means[5]) for rule, means in mine.items()}
        curve = sorted(point for rule, point in points.items() if rule.startswith("queue_aware"))
        axis.plot(*zip(*curve, strict=True), "-", color="tab:green", lw=1)
        for rule, (wait, saved) in points.items():
            if rule not in LABELS:
                axis.plot(wait, saved, ls="", marker=".", ms=6, color="tab:green")
                axis.annotate(rule.split()[1], (wait, saved), xytext=(4, -9), textcoords="offset points", fontsize=7)
            elif rule == "queue_aware":
                axis.plot(wait, saved, ls="", marker="*", ms=12, color="tab:green", label=LABELS[rule])
            else:
                axis.plot(wait, saved, ls="", marker="o", ms=6, label=LABELS[rule])
        axis.set(title=f"{trace}, {adoption} % take part", xlim=(0, 1.08), ylim=(0, 3))
        axis.grid(alpha=0.3)
    figure.supxlabel("volunteers' added waiting, naive = 1")
    figure.supylabel("CO2 saved, naive = 1")
    axes[0, 0].legend(fontsize=7, loc="upper right")
    figure.savefig(out, metadata={"Date": None})


def main(runs: str, bounds: str, folder: str) -> None:
    """Print the table and write ``queue-aware.svg``."""
    tables = by_rule([row for row in read(Path(runs)) if row.view == "perfect"])
    sys.stdout.write(markdown(tables))
    draw(tables, Path(bounds), Path(folder) / "queue-aware.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
