"""What a service says to systemd: that it is ready and alive (sd_notify(3)), and how grave a line is (sd-daemon(3)).

Without systemd nothing is said and lines stay as they are.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

NOTIFY, WATCHDOG, JOURNAL = "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"
PRIORITY = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
"""syslog's numbers (syslog(3)) of Python's levels."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Who started this process as a service: where it is told of its state, and how long silence is allowed."""

    address: str = ""
    silence_us: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the supervisor that the environment names; without one, all that is told goes nowhere."""
        silence = environment.get(WATCHDOG, "")
        return cls(environment.get(NOTIFY, ""), int(silence) if silence.isascii() and silence.isdigit() else 0)

    def tell(self, **state: str) -> None:
        """Send a state such as ``READY="1"``; nobody listening is no reason to fail."""
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        words = "\n".join(f"{name}={value}" for name, value in state.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto(words.encode(), address)
        except OSError:
            return


class Pulse:
    """The signs of life of one loop: ready at the first beat, then alive, four times as often as it must."""

    def __init__(self, supervisor: Supervisor, status: str) -> None:
        self._supervisor, self._status = supervisor, status
        self._next_ns: int | None = None

    def beat(self, monotonic_ns: int) -> None:
        """Say that the loop goes round, as often as the supervisor wants to hear it."""
        if self._next_ns is None:
            self._supervisor.tell(READY="1", STATUS=self._status)
        elif not self._supervisor.silence_us or monotonic_ns < self._next_ns:
            return
        else:
            self._supervisor.tell(WATCHDOG="1")
        self._next_ns = monotonic_ns + self._supervisor.silence_us * 1000 // 4

    def end(self, status: str) -> None:
        """Say that the loop has been left, and what is still done."""
        self._supervisor.tell(STOPPING="1", STATUS=status)


def writes_to_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Tell whether the journal reads what is written there: children inherit the variable, not always the stream."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get(JOURNAL) == f"{status.st_dev}:{status.st_ino}"


def graded(text: str, level: int) -> str:
    """Return the text with its priority before each line, which the journal takes for a message each."""
    prefix = f"<{PRIORITY.get(level, 6)}>"
    return "\n".join(f"{prefix}{line}" for line in text.splitlines())


class JournalFormatter(logging.Formatter):
    """Lines with their priority in front; the journal knows the time."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message and its trace, if there is one."""
        return graded(super().format(record), record.levelno)


def log_to_stderr(environment: Mapping[str, str]) -> None:
    """Send all logging to stderr, for the journal where it reads that."""
    handler = logging.StreamHandler()
    if writes_to_journal(2, environment):
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
