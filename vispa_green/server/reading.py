"""Requests that are still being read: one that takes too long is cut off, however slowly it keeps coming.

A time-out of single reads would not do: who sends a byte a second holds a thread for ever.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from vispa_green.host import now


class Readings:
    """Connections that have a thread and no complete request yet."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._since_ns: dict[int, tuple[Any, int]] = {}

    @contextmanager
    def one(self, connection: Any) -> Iterator[None]:  # noqa: ANN401 - what has a ``sock``
        """While it is entered, or until it is `done`, the connection may be cut off."""
        key = id(connection)
        with self._turn:
            self._since_ns[key] = connection, now().monotonic_ns
        try:
            yield
        finally:
            with self._turn:
                self._since_ns.pop(key, None)

    def done(self, sock: socket.socket | None) -> None:
        """Let the connection of this socket go on as long as it likes: its request is there."""
        with self._turn:
            for key, (connection, _) in list(self._since_ns.items()):
                if connection.sock is sock:
                    del self._since_ns[key]

    def __len__(self) -> int:
        """Return how many there are."""
        with self._turn:
            return len(self._since_ns)

    def cut_off(self, limit_s: float) -> int:
        """End the connections that have been read from for too long; return how many."""
        before_ns = now().monotonic_ns - int(limit_s * 1e9)
        with self._turn:
            late = [connection for connection, since_ns in self._since_ns.values() if since_ns < before_ns]
            for connection in late:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RD)
        return len(late)


READINGS = Readings()
"""Those of this process."""
