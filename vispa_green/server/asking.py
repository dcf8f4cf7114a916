"""One request: its body within limits, its proof, its caller's turn; and every answer, errors too, as JSON."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.exceptions import LengthRequired as LengthRequiredByHttp

from vispa_green.codec import Plain, text_of
from vispa_green.credentials import NODE_HEADER, Asked, OtherEnd
from vispa_green.errors import (
    CredentialRefused,
    IntervalRefused,
    LedgerBusy,
    LedgerForbidden,
    Malformed,
    UsageError,
    VispaGreenError,
)
from vispa_green.printable import printable
from vispa_green.server.admission import Guest
from vispa_green.server.figures import REQUESTS
from vispa_green.server.limits import TooLarge, TooMany, unzipped
from vispa_green.server.reading import READINGS
from vispa_green.server.service import Service

log = logging.getLogger(__name__)

WORTH_ZIPPING = 1400
AGAIN_S = 5.0
LONGEST_SENTENCE = 1000


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that was let in: who makes it, and what is in it."""

    service: Service
    guest: Guest
    body: bytes


def other_end(environ: Mapping[str, Any]) -> OtherEnd:
    """Return who is at the other end of the request's socket, as the kernel tells it."""
    import socket
    import struct

    connection = environ.get("gunicorn.socket")
    if connection is not None and connection.family == socket.AF_UNIX:
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return OtherEnd(uid=uid & 0xFFFFFFFF)
    return OtherEnd(str(environ.get("REMOTE_ADDR", "")))


def visited(
    service: Service, rules: Blueprint, path: str, method: str
) -> Callable[[Callable[..., Plain]], Callable[..., Response]]:
    """Return a decorator: what it decorates is asked for requests that were let in, and answers with plain values."""

    def decorate(view: Callable[..., Plain]) -> Callable[..., Response]:
        @wraps(view)
        def answer(**parts: str) -> Response:
            return answered(view(_let_in(service), **parts))

        rules.add_url_rule(path, view.__name__, answer, methods=[method])
        return answer

    return decorate


def answered(plain: Plain, status: int = 200) -> Response:
    """Return JSON, gzipped where that is worth it and wanted."""
    body = text_of(plain).encode()
    response = Response(body, status, content_type="application/json")
    if len(body) > WORTH_ZIPPING and "gzip" in request.headers.get("Accept-Encoding", ""):
        response = Response(gzip.compress(body, 3), status, content_type="application/json")
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "no-store"
    return response


def _let_in(service: Service) -> Visit:
    at, end = service.clock().utc, other_end(request.environ)
    stranger = end.address or f"uid {end.uid}"
    raw = _raw_body(service.config.server.most_bytes)
    READINGS.done(request.environ.get("gunicorn.socket"))
    asked = Asked(request.method, request.environ["RAW_URI"], raw, request.headers.get(NODE_HEADER, ""))
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        guest = service.admission.admit(asked, headers, end, at)
    except (CredentialRefused, LedgerForbidden):
        service.rate.count(f"refused {stranger}", at)
        raise
    service.rate.count(guest.name, at)
    if request.headers.get("Content-Encoding", "identity").lower() == "gzip":
        raw = unzipped(raw, service.config.server.most_bytes)
    return Visit(service, guest, raw)


def _raw_body(most: int) -> bytes:
    """Read the body; what is too large, of unknown length or no JSON is not read at all."""
    if request.method == "GET":
        return b""
    length = request.content_length
    if length is None or "Transfer-Encoding" in request.headers:
        raise LengthRequiredByHttp("say in Content-Length how long the body is")
    if length > most:
        raise RequestEntityTooLarge(f"the body has more than {most} bytes")
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("the body has to be application/json")
    if request.headers.get("Content-Encoding", "identity").lower() not in {"identity", "gzip"}:
        raise UnsupportedMediaType("the body may be gzipped, and nothing else")
    body = request.stream.read(length)
    if len(body) != length:
        raise Malformed("the body ended before its length")
    return body


def told(error: Exception) -> Response:
    """Return what went wrong, in one sentence; what nobody expected is in the server's log only."""
    status, extra, retry_after_s = _meaning(error)
    if status == 500:
        log.error("a request failed", exc_info=error)
    sentence = "the server failed; its log says why" if status == 500 else _sentence(error)
    response = answered({"error": {"kind": type(error).__name__, "message": sentence, **extra}}, status)
    if retry_after_s is not None:
        response.headers["Retry-After"] = f"{max(1, round(retry_after_s))}"
    if status == 401:
        response.headers["WWW-Authenticate"] = "MUNGE, Vispa-Green"
    return response


def _sentence(error: Exception) -> str:
    text = error.description if isinstance(error, HTTPException) else str(error)
    return printable(" ".join((text or "").split()))[:LONGEST_SENTENCE]


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (TooMany, 429), (TooLarge, 413), (Malformed, 400), (UsageError, 400), (CredentialRefused, 401),
    (LedgerForbidden, 403), (IntervalRefused, 422), (VispaGreenError, 503), (OSError, 503),
)  # fmt: skip


def _meaning(error: Exception) -> tuple[int, dict[str, Plain], float | None]:
    """Return the status of an error, what else there is to say, and when to come again."""
    if isinstance(error, HTTPException):
        return error.code or 500, {}, None
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    extra: dict[str, Plain] = {}
    if isinstance(error, IntervalRefused):
        extra = {"sequence": error.sequence, "reason": _sentence(Exception(error.reason))}
    if status not in {429, 503}:
        return status, extra, None
    return status, extra, (error.retry_after_s if isinstance(error, LedgerBusy) else None) or AGAIN_S


def counted(service: Service, response: Response) -> Response:
    """Count an answer by its status."""
    service.tally.count(REQUESTS, status=str(response.status_code))
    return response
