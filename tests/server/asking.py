"""Raw requests to a real server, good ones and others, and what comes back."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from tests.contracts.real_server import RealServer, token_file
from tests.contracts.rows import HOUR, START, charged
from vispa_green import host
from vispa_green.calls import call_of
from vispa_green.credentials import NODE_HEADER, Asked
from vispa_green.credentials.token import Token
from vispa_green.model import NodeInterval, Origin, SpooledInterval


class Reply:
    """A raw answer, taken apart."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1]) if first else 0
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if self.headers.get("content-encoding") == "gzip":
            self.body = gzip.decompress(self.body)

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)

    @property
    def said(self) -> str:
        return str(self.json["error"]["message"])


def raw(server: RealServer, data: bytes, *, unix: bool = False, patience_s: float = 30) -> Reply:
    """Send bytes and return what comes back until the connection ends."""
    family, address = (socket.AF_UNIX, str(server.socket)) if unix else (socket.AF_INET, ("127.0.0.1", server.port))
    with socket.socket(family) as connection:
        connection.settimeout(patience_s)
        connection.connect(address)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        found = b""
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                found += part
    return Reply(found)


def request(asked: Asked, headers: Mapping[str, str], *, length: int | None = None) -> bytes:
    sent = {"Host": "x", "Connection": "close", **headers}
    if asked.method == "POST":
        sent = {"Content-Type": "application/json", "Content-Length": str(length or len(asked.body)), **sent}
    if asked.node:
        sent[NODE_HEADER] = asked.node
    lines = [f"{asked.method} {asked.target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + asked.body


def proof(server: RealServer, who: str, asked: Asked, ahead: timedelta = timedelta()) -> Mapping[str, str]:
    return Token(token_file(server.directory, who)).sign(asked, host.now().utc + ahead)


def ask(server: RealServer, who: str, asked: Asked, headers: Mapping[str, str] | None = None) -> Reply:
    """Send a request with a good proof of somebody's."""
    return raw(server, request(asked, {**proof(server, who, asked), **(headers or {})}))


def post(server: RealServer, who: str, target: str, message: object, node: str = "") -> Reply:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return ask(server, who, Asked("POST", target, body, node))


def get(server: RealServer, who: str, target: str) -> Reply:
    return ask(server, who, Asked("GET", target))


def delivery(*intervals: NodeInterval, cluster: str = "lab", spool: str = "s", first: int = 1) -> dict[str, Any]:
    call = call_of("energy", "append")
    assert call is not None
    items = [SpooledInterval(number, one) for number, one in enumerate(intervals, first)]
    plain = call.written((Origin(cluster, spool), items, START), {})
    assert isinstance(plain, dict)
    return plain


def an_interval(node: str = "n1", hour: int = 5) -> NodeInterval:
    return charged({"9": 500}, START + hour * HOUR, HOUR, node=node)


APPEND = "/v1/books/energy/append"
JOBS = "/v1/books/energy/jobs"
ALL: dict[str, Any] = {"selection": {}}
