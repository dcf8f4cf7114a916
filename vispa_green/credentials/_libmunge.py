"""libmunge.so.2 (munge(3)), as much of it as is needed: encode a payload, decode a credential."""

from __future__ import annotations

import ctypes
import functools
import socket
from ctypes import byref, c_char_p, c_int, c_uint32, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

from vispa_green.errors import CredentialError

OPT_TTL, OPT_ADDR4, OPT_SOCKET = 4, 5, 8
"""Options of a context (munge_enum(3), munge_ctx(3))."""
EXPIRED, REWOUND, REPLAYED = 15, 16, 17
INVALID = frozenset({8, 9, 10, 11, 12, 13, 14, EXPIRED, REWOUND, REPLAYED, 18})
"""Errors that are the credential's own fault; any other is that of munge or of this machine."""


class MungeFailed(CredentialError):
    """munge(3) said no; ``code`` is its error number."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"munge: {reason}")
        self.code = code


class Decoded(NamedTuple):
    """What a credential says: its payload, who made it, and on which machine (``0.0.0.0``: it does not know)."""

    payload: bytes
    uid: int
    address: str


def encode(payload: bytes, place: Path | None, ttl_s: int) -> str:
    """Return a credential of this process; raise `MungeFailed`, or `CredentialError` without munge."""
    library, found = _library(), c_void_p()
    with _Context(library, place) as context:
        library.munge_ctx_set(context, OPT_TTL, c_int(ttl_s))
        _check(library, library.munge_encode(byref(found), context, payload, len(payload)))
    try:
        return ctypes.string_at(found).decode("ascii")
    finally:
        library.free(found)


def decode(credential: str, place: Path | None) -> Decoded:
    """Return what a credential says; raise `MungeFailed`, also for one that was decoded here before."""
    library, found = _library(), c_void_p()
    length, uid, gid, address = c_int(), c_uint32(), c_uint32(), c_uint32()
    with _Context(library, place) as context:
        code = library.munge_decode(
            credential.encode("ascii"), context, byref(found), byref(length), byref(uid), byref(gid)
        )
        try:
            _check(library, code)
            library.munge_ctx_get(context, OPT_ADDR4, byref(address))
            payload = ctypes.string_at(found, length.value) if found else b""
        finally:
            library.free(found)
    return Decoded(payload, uid.value, socket.inet_ntoa(bytes(address)))


class _Context:
    """A context with its socket, released on leaving; one for each call, since threads may not share one."""

    def __init__(self, library: Any, place: Path | None) -> None:  # noqa: ANN401 - a library has no type
        self._library, self._place = library, place

    def __enter__(self) -> c_void_p:
        self._context = c_void_p(self._library.munge_ctx_create())
        if self._place is not None:
            self._library.munge_ctx_set(self._context, OPT_SOCKET, c_char_p(str(self._place).encode()))
        return self._context

    def __exit__(self, *_: object) -> None:
        self._library.munge_ctx_destroy(self._context)


def _check(library: Any, code: int) -> None:  # noqa: ANN401
    if code:
        raise MungeFailed(code, library.munge_strerror(code).decode("ascii", "replace").lower())


@functools.cache
def _library() -> Any:  # noqa: ANN401
    try:
        library: Any = ctypes.CDLL("libmunge.so.2")
    except OSError:
        raise CredentialError("libmunge.so.2 is not installed here; install munge, or use token files") from None
    library.free = ctypes.CDLL(None).free
    library.free.argtypes, library.free.restype = [c_void_p], None
    library.munge_ctx_create.restype = c_void_p
    library.munge_ctx_destroy.argtypes = [c_void_p]
    library.munge_strerror.restype = c_char_p
    library.munge_encode.argtypes = [c_void_p, c_void_p, c_char_p, c_int]
    library.munge_decode.argtypes = [c_char_p, c_void_p, *[c_void_p] * 4]
    return library
