"""Questions to slurmrestd over HTTP or a unix socket, each with its own connection and limits of time and size."""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from vispa_green.errors import ConfigError, SlurmError
from vispa_green.printable import printable

LARGEST_BYTES = 1 << 28
LARGEST_TOKEN_BYTES = 16_384
RENEW = "write a new one to [slurm.slurmrestd] token_file: scontrol token username=USER lifespan=SECONDS"
NOTHING_FOUND = 9003
"""ESLURM_REST_EMPTY_RESULT: an error to slurmrestd, an empty list to us."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where slurmrestd listens, and as whom it is asked."""

    url: str
    user: str
    token_file: Path | None
    timeout_s: float

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Return the JSON of an answer; raise `SlurmError` where there is none, or where it tells of errors."""
        asked = f"{path}?{urlencode(query)}" if query else path
        status, body = self._fetch(asked)
        if status == 401:
            raise SlurmError(f"slurmrestd at {self.url} refuses the user or the token; {RENEW}")
        answer = _table(body, path, status)
        if errors := _errors(answer):
            # a token that is over or forged is refused by slurmctld, and slurmrestd says nothing of why
            raise SlurmError(f"slurmrestd: {path}: {'; '.join(errors)}; if it is for the token, {RENEW}")
        if status not in {200, 204, 304} and not answer.get("errors"):
            raise SlurmError(f"slurmrestd: {path}: it answers {status}")
        return answer

    def _fetch(self, asked: str) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request("GET", asked, headers=self._headers())
            response = connection.getresponse()
            return response.status, _body(response)
        except TimeoutError as error:
            raise SlurmError(
                f"slurmrestd at {self.url} gave no answer within {self.timeout_s:g} s;"
                " allow more in [slurm.slurmrestd] timeout_s"
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            raise SlurmError(f"slurmrestd at {self.url} cannot be asked: {error}; is it running there?") from error
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return _SocketConnection(parts.path, self.timeout_s)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return HTTPSConnection(parts.hostname or "", parts.port, timeout=self.timeout_s, context=context)
        return HTTPConnection(parts.hostname or "", parts.port, timeout=self.timeout_s)

    def _headers(self) -> dict[str, str]:
        named = {"X-SLURM-USER-NAME": self.user} if self.user else {}
        # read each time: a token lives for a while and is then renewed in place
        return named if self.token_file is None else {**named, "X-SLURM-USER-TOKEN": token_of(self.token_file)}


class _SocketConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def token_of(file: Path) -> str:
    """Return the token in a file; raise `ConfigError` for one that others may read, or that holds none.

    The file may hold the token alone, or what ``scontrol token`` printed.
    """
    try:
        number = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"[slurm.slurmrestd] token_file: {file} cannot be read ({error.strerror})") from error
    try:
        about = os.fstat(number)
        if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077 or about.st_uid not in {0, os.geteuid()}:
            raise ConfigError(
                f"[slurm.slurmrestd] token_file: {file} has to be a file that only its owner, who is you or root,"
                f" may read: chmod 600 {file}"
            )
        words = os.read(number, LARGEST_TOKEN_BYTES).decode("ascii", "replace").split()
    finally:
        os.close(number)
    token = words[0].removeprefix("SLURM_JWT=") if len(words) == 1 else ""
    if not token or not all("!" <= letter <= "~" for letter in token):
        raise ConfigError(f"[slurm.slurmrestd] token_file: {file} holds no token; write one with `scontrol token`")
    return token


def _body(response: HTTPResponse) -> bytes:
    body = response.read(LARGEST_BYTES + 1)
    if len(body) > LARGEST_BYTES:
        raise SlurmError(f"slurmrestd answered with more than {LARGEST_BYTES >> 20} MiB; set [slurm] source to text")
    return body


def _table(body: bytes, path: str, status: int) -> Mapping[str, Any]:
    if not body:
        return {}
    try:
        answer = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        said = printable(body[:60].decode("utf-8", "replace"))
        raise SlurmError(f"slurmrestd: {path}: it answers {status} and no JSON ({said})") from error
    if not isinstance(answer, Mapping):
        raise SlurmError(f"slurmrestd: {path}: its answer is no table")
    return answer


def _errors(answer: Mapping[str, Any]) -> list[str]:
    """Return what an answer says went wrong; 22.05 says so in answers that are called OK, too."""
    found = answer.get("errors")
    if not found:
        return []
    if not isinstance(found, list):
        return ["it tells of errors in a way that is not known"]
    return [
        printable(str(one.get("error") or one.get("description") if isinstance(one, Mapping) else one)[:200])
        for one in found
        if not (isinstance(one, Mapping) and one.get("error_number") == NOTHING_FOUND)
    ]
