"""An answer that was cut off is no answer, however much of it came."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.rows import ORIGIN, START, spooled
from vispa_green.errors import LedgerBusy
from vispa_green.ledgers import open_ledger

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
ADDED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n123"


class CutOff:
    """Says hello; to whatever is asked then it gives the beginning of an answer."""

    def __init__(self) -> None:
        self.upto = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                while request := _request(lines):
                    is_hello = request.startswith(b"GET /v1/hello")
                    connection.sendall(HELLO if is_hello else ADDED[: self.upto])
                    if not is_hello:
                        break


def _request(lines: BinaryIO) -> bytes:
    """Read one request; return its first line."""
    first, length = lines.readline(), 0
    while (head := lines.readline()) not in {b"\r\n", b""}:
        if head.lower().startswith(b"content-length:"):
            length = int(head.split(b":")[1])
    lines.read(length)
    return first


@pytest.fixture(scope="module")
def server() -> Iterator[CutOff]:
    with closing(CutOff()) as made:
        yield made


@given(st.integers(0, len(ADDED) - 1))
def test_a_part_of_an_answer_acknowledges_nothing(server: CutOff, upto: int) -> None:
    server.upto = upto
    url, tables = f"http://127.0.0.1:{server.port}", {"http": {"credential": "peer"}}
    with closing(open_ledger(url, tables=tables)) as ledger, pytest.raises(LedgerBusy):
        ledger.energy.append(ORIGIN, spooled(1), START)


def test_all_of_it_does(server: CutOff) -> None:
    server.upto = len(ADDED)
    url, tables = f"http://127.0.0.1:{server.port}", {"http": {"credential": "peer"}}
    with closing(open_ledger(url, tables=tables)) as ledger:
        assert ledger.energy.append(ORIGIN, spooled(1), START) == 123
