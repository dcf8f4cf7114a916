"""Several gates as one: a job is let in when all of them agree."""

from __future__ import annotations

from collections.abc import Sequence

from vispa_green_sim.gate import Gate, QueueView


class AllGates:
    """Asks each gate about the jobs that are its own; the latest answer holds."""

    def __init__(self, gates: Sequence[tuple[Gate, Sequence[bool]]]) -> None:
        """Take gates, each with the rows that it is asked about."""
        self._gates = tuple(gates)

    def ask(self, job: int, now: int, view: QueueView) -> int:
        """Return the latest time that any of the gates wants, asking none twice in the same instant."""
        return max((gate.ask(job, now, view) for gate, asked in self._gates if asked[job]), default=now)
