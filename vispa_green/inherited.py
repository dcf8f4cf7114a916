"""What this process was started with, so that a program it starts finds the same: environment, streams, signals."""

from __future__ import annotations

import os

IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


def occupy_closed_streams() -> None:
    """Let no file of ours become stdin, stdout or stderr where one is closed, or words would go into that file.

    A program started from here finds it as closed as we did: what is opened here does not outlive an exec.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this


def restore_environment() -> None:
    """Take back what Python did to the environment: in the C locale it sets ``LC_CTYPE`` (PEP 538).

    A job's programs would write UTF-8 that nobody asked for.
    """
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - pathlib takes longer than all this
            given = file.read()
    except OSError:
        return
    if b"\0LC_CTYPE=" not in b"\0" + given:
        os.environ.pop("LC_CTYPE", None)


def restore_signals() -> None:
    """Stop ignoring what Python ignores: what is ignored stays so after an exec."""
    import signal

    for name in IGNORED_BY_PYTHON:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
