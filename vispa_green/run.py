"""Runs a command as its shell would have: its own streams, signals and exit code, whatever we do beside it."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vispa_green.errors import CannotStart
from vispa_green.inherited import restore_environment

NOT_FOUND, NOT_EXECUTABLE, BY_SIGNAL = 127, 126, 128
"""POSIX, Shell & Utilities, 2.8.2: exit codes of commands that do not start or are ended by a signal."""

PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


def check(command: Sequence[str]) -> None:
    """Raise `CannotStart` if there is no such program; what only starting it shows is left to `run`."""
    if shutil.which(command[0]) is not None:
        return
    if "/" in command[0] and Path(command[0]).exists():
        raise CannotStart(f"{command[0]}: not executable", NOT_EXECUTABLE)
    raise CannotStart(f"{command[0]}: not found", NOT_FOUND)


def run(command: Sequence[str]) -> int:
    """Run ``command`` to its end and return its exit code as a shell says it; raise `CannotStart`."""
    restore_environment()
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []  # the command may be asked to stop before its start has come back to us

    def pass_on(received: int, _frame: object) -> None:
        if process is None:
            early.append(received)
        else:
            process.send_signal(received)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        process = _started(command)
        # A terminal sends SIGINT and SIGQUIT to the command as well, which decides what they mean.
        before |= {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
        for number in early:
            process.send_signal(number)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else BY_SIGNAL - code


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        try:
            return subprocess.Popen(command, close_fds=False)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return subprocess.Popen(["/bin/sh", *command], close_fds=False)  # a script without #!, as in execvp(3)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise CannotStart(f"{command[0]}: not found", NOT_FOUND) from error
        raise CannotStart(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE) from error
    except ValueError as error:  # a NUL within a word
        raise CannotStart(f"{command[0]!r}: {error}", NOT_EXECUTABLE) from error
