"""Turns signals, and the end of green hours, into a wish to pause, which the training loop grants after its step."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime
from types import FrameType, TracebackType
from typing import Self

from vispa_green import host
from vispa_green.model import Instant

PAUSING = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


class PauseRequest:
    """While it is entered, SIGUSR1, SIGTERM and the first Ctrl-C set ``wanted``; a second Ctrl-C interrupts.

    Slurm sends SIGUSR1 as long before the time limit as ``--signal`` says, and SIGTERM when it takes
    the node away; it kills 30 s after SIGTERM (KillWait), so a checkpoint has to be quicker than that.
    """

    def __init__(self, until: datetime | None = None, now: Callable[[], Instant] = host.now) -> None:
        """``until``: from then on a pause is wanted in any case."""
        self._is_asked = False
        self._until, self._now = until, now
        self._before: dict[int, signal._HANDLER] = {}

    @property
    def wanted(self) -> bool:
        """Whether the run should pause as soon as it can."""
        return self._is_asked or (self._until is not None and self._now().utc >= self._until)

    @wanted.setter
    def wanted(self, value: bool) -> None:
        self._is_asked = value

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
        self._is_asked = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
