"""Requests to a server and its answers: signed, gzipped, within a time, its errors as ours. Standard library only."""

from __future__ import annotations

import gzip
import http.client
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vispa_green.codec import LARGEST_TOLD, Plain, parsed, text_of
from vispa_green.credentials import NODE_HEADER, Asked, Credential
from vispa_green.errors import (
    CredentialError,
    IntervalRefused,
    LedgerBusy,
    LedgerError,
    LedgerForbidden,
    LedgerMissing,
    Malformed,
)
from vispa_green.host import now
from vispa_green.printable import printable

LARGEST_ANSWER = 2**30
WORTH_ZIPPING = 1024
ATTEMPTS = 3
LONGEST_PATIENCE_S = 2.0
"""So long a question waits for a server that is busy; an agent has a spool and waits elsewhere."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnixConnection(http.client.HTTPConnection):
    """HTTP by a local socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Channel:
    """One connection to one server, opened anew where it was lost. Every request of ours may come twice."""

    def __init__(self, url: str, connect: Callable[[], http.client.HTTPConnection], credential: Credential) -> None:
        self._url, self._connect, self._credential = url, connect, credential
        self._connection: http.client.HTTPConnection | None = None

    def get(self, target: str) -> Plain:
        """Return what the server answers; raise `LedgerError` where it does not, or says no."""
        return self._asked(Asked("GET", target), {})

    def post(self, target: str, message: Plain, *, node: str = "", patient: bool = True) -> Plain:
        """Send a message and return the answer; raise as `get` does.

        ``node`` is whom an agent speaks for; ``patient`` waits a little for a server that is busy.
        """
        body, headers = text_of(message).encode(), {"Content-Type": "application/json"}
        if len(body) > WORTH_ZIPPING:
            body = gzip.compress(body, 5)
            headers["Content-Encoding"] = "gzip"
        if node:
            headers[NODE_HEADER] = node
        return self._asked(Asked("POST", target, body, node), headers, patient=patient)

    def close(self) -> None:
        """Release the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, asked: Asked, headers: Mapping[str, str], *, patient: bool = True) -> Plain:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read(self._answer(asked, headers))
            except LedgerBusy as busy:
                wait_s = busy.retry_after_s
                if attempt == ATTEMPTS or not patient or wait_s is None or wait_s > LONGEST_PATIENCE_S:
                    raise
                time.sleep(wait_s)
        raise AssertionError

    def _answer(self, asked: Asked, headers: Mapping[str, str]) -> Answer:
        is_kept = self._connection is not None
        try:
            return self._exchanged(asked, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not is_kept:
                raise LedgerBusy(f"the server {self._url} does not answer: {_reason(error)}") from error
        try:  # the server had closed a connection that was idle
            return self._exchanged(asked, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise LedgerBusy(f"the server {self._url} does not answer: {_reason(error)}") from error

    def _exchanged(self, asked: Asked, headers: Mapping[str, str]) -> Answer:
        try:
            proof = self._credential.sign(asked, now().utc)
        except CredentialError as error:
            raise LedgerForbidden(f"{self._url} cannot be told who asks: {error}") from error
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(
            asked.method, asked.target, asked.body or None, {"Accept-Encoding": "gzip", **headers, **proof}
        )
        with self._connection.getresponse() as answer:  # it has a hold of its own on the socket
            body = answer.read(LARGEST_ANSWER + 1)
            if not body or (answer.length and len(body) <= LARGEST_ANSWER):
                raise http.client.IncompleteRead(body)  # which `read` says of a whole body only
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
        if answer.will_close:
            self.close()
        return found

    def _read(self, answer: Answer) -> Plain:
        try:
            body = _unzipped(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
            plain = parsed(body, LARGEST_TOLD)
        except Malformed as error:
            raise LedgerError(
                f"{self._url} answered with status {answer.status} and nothing of ours ({error}):"
                " is that a vispa-green server?"
            ) from None
        if answer.status == 200:
            return plain
        raise self._error(answer, plain)

    def _error(self, answer: Answer, plain: Plain) -> LedgerError:
        told = plain.get("error") if isinstance(plain, dict) else None
        told = told if isinstance(told, dict) else {}
        message = f"{self._url}: {printable(str(told.get('message', f'status {answer.status}')))}"
        kind, sequence = told.get("kind"), told.get("sequence")
        if kind == "IntervalRefused":
            return IntervalRefused(
                sequence if isinstance(sequence, int) else None, printable(str(told.get("reason")))
            )
        if answer.status in {429, 503}:
            return LedgerBusy(message, _seconds(answer.headers.get("retry-after")))
        if answer.status in {401, 403}:
            return LedgerForbidden(message)
        return LedgerMissing(message) if kind == "LedgerMissing" else LedgerError(message)


def _unzipped(data: bytes) -> bytes:
    try:
        reader = zlib.decompressobj(31)
        body = reader.decompress(data, LARGEST_ANSWER)
    except zlib.error as error:
        raise Malformed(f"its gzip is broken: {error}") from None
    if not reader.eof:
        raise Malformed("its gzip has no end")
    return body


def _seconds(text: str | None) -> float | None:
    return min(float(text), 3600.0) if text and text.isascii() and text.isdecimal() and len(text) < 8 else None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
