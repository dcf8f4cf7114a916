"""Turns signals into a wish to pause, which the training loop grants after the step it is in."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Self

PAUSING = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class PauseRequest:
    """While it is entered, SIGUSR1, SIGTERM and the first Ctrl-C set ``wanted``; a second Ctrl-C interrupts.

    Slurm sends SIGUSR1 as long before the time limit as ``--signal`` says, and SIGTERM when it takes
    the node away; it kills 30 s after SIGTERM (KillWait), so a checkpoint has to be quicker than that.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in PAUSING:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.wanted = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
