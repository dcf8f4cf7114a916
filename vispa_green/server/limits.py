"""What one caller, one body and all writers together may take: rates, sizes, turns."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from vispa_green.errors import LedgerBusy, Malformed

MOST_CALLERS = 10_000
BUSY_AGAIN_S = 1.0


class TooMany(LedgerBusy):
    """One caller asks more often than he may."""


class TooLarge(Malformed):
    """A body is larger than any that is needed."""


class Rate:
    """So many requests a minute of each caller, in bursts up to all of them at once."""

    def __init__(self, most_a_minute: int) -> None:
        self._most, self._turn = most_a_minute, threading.Lock()
        self._left: dict[str, tuple[float, datetime]] = {}

    def count(self, who: str, at: datetime) -> None:
        """Count a request; raise `TooMany` for one too many."""
        with self._turn:
            left, since = self._left.get(who, (float(self._most), at))
            left = min(self._most, left + (at - since).total_seconds() * self._most / 60)
            if len(self._left) >= MOST_CALLERS and who not in self._left:
                self._left.clear()  # everybody has all of his again: strangers cannot fill the memory
            self._left[who] = (max(left - 1, 0), at)
        if left < 1:
            raise TooMany(f"more than {self._most} requests a minute", max(1.0, 60 / self._most))


class Turns:
    """So many at once; who comes then is told to come again, which costs less than to let him wait here."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a turn; raise `LedgerBusy` where there is none."""
        if not self._free.acquire(blocking=False):
            raise LedgerBusy("the server has too much to write", BUSY_AGAIN_S)
        try:
            yield
        finally:
            self._free.release()


def unzipped(data: bytes, most: int) -> bytes:
    """Return what was gzipped; raise `TooLarge` before more than ``most`` bytes of it are there."""
    reader = zlib.decompressobj(31)
    try:
        body = reader.decompress(data, most + 1)
    except zlib.error:
        raise Malformed("the body is not what gzip makes") from None
    if len(body) > most:
        raise TooLarge(f"the body has more than {most} bytes")
    if not reader.eof or reader.unused_data:
        raise Malformed("the body is not what gzip makes")
    return body
