"""A law of every bundled job: paused any number of times at random steps, it ends with the same bits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.context import RunContext
from vispa_green_jobs.errors import Paused

from vispa_green import host
from vispa_green.model import Instant

torch = pytest.importorskip("torch", reason="torch is not installed: run `deploy/setup.sh torch`")


class Clock:
    """Calls the time, and wants a pause at one of its calls: a step asks for the time once."""

    def __init__(self, pause_at: int | None) -> None:
        self._left = pause_at
        self.context: RunContext | None = None

    def now(self) -> Instant:
        if self._left is not None and self.context is not None:
            self._left -= 1
            self.context.pause.wanted = self.context.pause.wanted or self._left <= 0
        return host.now()


def run(name: str, out: Path, pause_at: int | None = None) -> Mapping[str, float] | None:
    """Run a segment; return the metrics, ``None`` if it paused."""
    job, clock = JOBS.load(name)(), Clock(pause_at)
    clock.context = RunContext(out, 3, clock.now, say=lambda _text: None)
    try:
        return job.run(job.settings("tiny"), clock.context)
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


@pytest.mark.parametrize("name", JOBS.names())
def test_paused_at_random_steps_it_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    uninterrupted = run(name, whole)
    found, segments = None, 0
    while found is None and segments < 50:
        found = run(name, parts, random.randrange(2, 12))
        segments += 1
    assert segments > 1
    assert found == uninterrupted
    assert same(checkpoints(parts), checkpoints(whole))
