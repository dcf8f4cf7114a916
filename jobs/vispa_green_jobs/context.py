"""What a run is given besides its settings: a place, a seed for each purpose, and the word to pause."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green.model import Instant
from vispa_green_jobs.errors import Paused
from vispa_green_jobs.pause import PauseRequest

if TYPE_CHECKING:
    import numpy as np

CHECKPOINT_EVERY_S = 60.0


@dataclass(slots=True)
class RunContext:
    """One segment of a run: from its start, or a resume, to its end or the next pause."""

    out: Path
    seed: int
    now: Callable[[], Instant]
    pause: PauseRequest = field(default_factory=PauseRequest)
    threads: int = 1
    """For everything that computes; the same in all segments, because sums depend on it."""
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    say: Callable[[str], None] = print
    steps_done: int = 0
    """Optimiser steps of this segment."""

    def seed_of(self, purpose: str) -> int:
        """Return the 63-bit seed of one purpose, e.g. ``test data``: no two purposes share their numbers."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def rng(self, purpose: str) -> np.random.Generator:
        """Return NumPy's generator of one purpose."""
        import numpy as np

        return np.random.default_rng(self.seed_of(purpose))

    def pause_point(self) -> None:
        """Raise `Paused` if that is wanted; call it between parts that are cheap to do again."""
        if self.pause.wanted:
            raise Paused

    def checkpoint(self, stage: str) -> Path:
        """Return where a stage keeps its checkpoint."""
        return self.out / "checkpoints" / f"{stage}.pt"

    def plot(self, name: str) -> Path:
        """Return where a picture goes; the report shows all of them."""
        folder = self.out / "plots"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.png"
