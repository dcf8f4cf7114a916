"""A limit on how long a call may hold up its caller, also where the call sits in C code or a name lookup."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(limit_s: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns or raise what it raises; raise `TimeoutError` after ``limit_s`` seconds.

    A call that is given up goes on in a daemon thread, which does not keep the program from ending.
    """
    outcome: queue.SimpleQueue[tuple[Callable[[], T], None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, nothing is swallowed
            outcome.put((None, error))
        else:
            outcome.put((lambda: result, None))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = outcome.get(timeout=max(0.0, limit_s))
    except queue.Empty:
        raise TimeoutError(f"no end after {limit_s:g} s") from None
    if error is not None:
        raise error
    assert value is not None
    return value()
