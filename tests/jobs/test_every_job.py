"""Laws of every bundled job, at the size of its preset ``tiny``.

It trains, and its record has every claim of ``smoke`` judged (so small a run need not meet one); paused any
number of times at random steps, it ends with the same bits.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.errors import Paused
from vispa_green_jobs.job import Job
from vispa_green_jobs.record import Status, read
from vispa_green_jobs.running import Run, check, go_on, start

from vispa_green import host
from vispa_green.model import Instant
from vispa_green.session import Session, open_session

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")


SEED = 3
CLAIMED = {"learn_to_bin": ["bins=[3,5,10]"], "omnifold": ["iterations=3"]}
"""What claims speak of by its number, and ``tiny`` has less of."""


class Clock:
    """Calls the time, and wants a pause at one of its calls: a step asks for the time once."""

    def __init__(self, pause_at: int) -> None:
        self._left = pause_at
        self.context: RunContext | None = None

    def now(self) -> Instant:
        if self.context is not None:
            self._left -= 1
            self.context.pause.wanted = self.context.pause.wanted or self._left <= 0
        return host.now()


def sizes(job: Job) -> list[str]:
    """Return the settings of ``tiny`` as one gives them on the command line."""
    tiny = job.definition.preset("tiny").settings
    return [*(f"{key}={json.dumps(value)}" for key, value in tiny.items()), *CLAIMED.get(job.name, ())]


def segment(job: Job, out: Path, pause_at: int) -> Mapping[str, float] | None:
    """Run a segment; return the metrics, ``None`` if it paused."""
    clock = Clock(pause_at)
    clock.context = RunContext(out, SEED, clock.now, say=lambda _text: None)
    try:
        return job.run(job.settings("smoke", sizes(job)), clock.context)
    except Paused:
        return None


def checkpoints(out: Path) -> dict[str, Any]:
    return {path.name: content(path) for path in sorted((out / "checkpoints").iterdir())}


def content(path: Path) -> Any:  # noqa: ANN401 - a state of torch, or what a part without torch left
    return path.read_text() if path.suffix == ".json" else torch.load(path, weights_only=True)


def same(first: Any, second: Any) -> bool:  # noqa: ANN401 - nested states of torch
    if isinstance(first, torch.Tensor):
        return bool(torch.equal(first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def recorded(job: Job, out: Path, session: Session) -> Mapping[str, float | None]:
    """Run the job in one piece as the command does; return its metrics, after a look at its record."""
    begun = start(job, "smoke", SEED, sizes(job), out)
    record = go_on(Run(job, out, session, host.now, lambda _text: None), begun)
    assert record == read(out)
    assert record.status is Status.COMPLETE
    claimed = job.definition.claims_of("smoke")
    assert [(claim.metric, claim.threshold) for claim in record.claims] == [(c.metric, c.value) for c in claimed]
    assert {claim.metric for claim in claimed} <= record.metrics.keys()
    assert record.exit_code == (0 if all(claim.passed for claim in record.claims) else 3)
    again = check(job, out, session)
    assert (again.claims, again.exit_code) == (record.claims, record.exit_code)
    assert (out / "report.md").read_text().count("\n| ") >= len(claimed)
    return record.metrics


@pytest.mark.parametrize("name", JOBS.names())
def test_it_judges_itself_and_no_pause_changes_a_bit(
    name: str, account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", account["OMP_NUM_THREADS"])
    job, whole, parts = JOBS.load(name)(), tmp_path / "whole", tmp_path / "parts"
    uninterrupted = recorded(job, whole, open_session(tmp_path / "config.toml"))
    found, segments = None, 0
    while found is None and segments < 50:
        found = segment(job, parts, random.randrange(2, 12))
        segments += 1
    assert segments > 1
    assert found == uninterrupted
    assert same(checkpoints(parts), checkpoints(whole))
