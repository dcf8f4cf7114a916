"""Families of like jobs with known laws of what they hold, drawn with a seed: no real traces, but stated ones.

Each is submitted one after the other or ten at a time; what is held in MiB:

* constant: 2000 … 2060, evenly
* growing: 1000 × 1.004^n and 3 % noise, as a data set that grows by a half each hundred runs
* bimodal: 800 or, in one of five, 3200, each with 5 % noise
* heavy-tailed: 500 × Pareto (exponent 2.5), at most 16 times that
* OOM-censored: as bimodal, but asked with 2 GiB: the large ones are killed

Asked is 16 GiB but in the last, where it is 2 GiB until a run was killed, and 4 GiB in the next after that. How a
killed run would have gone on is told to who judges, not to the rule.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from vispa_green.sizing.rule import Run

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASKED_MIB = 16384.0
Law = Callable[[random.Random, int], float]


def _bimodal(chance: random.Random, number: int) -> float:
    return (3200 if chance.random() < 0.2 else 800) * chance.gauss(1, 0.05)


LAWS: Mapping[str, Law] = {
    "constant": lambda chance, _: chance.uniform(2000, 2060),
    "growing": lambda chance, number: 1000 * 1.004**number * chance.gauss(1, 0.03),
    "bimodal": _bimodal,
    "heavy-tailed": lambda chance, _: 500 * min(16.0, chance.paretovariate(2.5)),
    "OOM-censored": _bimodal,
}


def family(kind: str, runs: int, seed: int, *, is_told: bool = False) -> list[Run]:
    """Return the runs of one family, in order of submission; if told, with what killed ones would have held."""
    chance = random.Random(f"{kind} {seed}")
    at_once = chance.choice((1, 10))
    made: list[Run] = []
    asked = 2048.0 if kind == "OOM-censored" else ASKED_MIB
    for number in range(runs):
        submitted = BEGIN + 3 * HOUR * (number // at_once)
        held = float(round(LAWS[kind](chance, number)))
        was_cut = held > asked
        run = Run(submitted, submitted + 2 * HOUR, asked, held, hours=2.0)
        made.append(replace(run, used=None, was_cut=True) if was_cut and not is_told else run)
        if kind == "OOM-censored":
            asked = 4096.0 if was_cut else 2048.0
    return made
