"""Files of secrets: a line each, ``node:n1 SECRET`` or ``user:ada SECRET``, for the eyes of one user only."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vispa_green.errors import CredentialError
from vispa_green.host import now

WHO = re.compile(r"(?:node:[A-Za-z0-9_]|user:[A-Za-z_])[A-Za-z0-9_.\-]{0,127}")
SETTLED_NS = 2_000_000_000
"""The times of files are coarse: two changes within a few ms can have the same."""
_SECRET = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file said, and the state that it was in."""

    state: tuple[int, ...]
    secrets: Mapping[str, bytes]


_read: dict[Path, _Read] = {}
"""A server is asked hundreds of times a second, and has ten thousand secrets."""


def secrets_in(path: Path | None) -> Mapping[str, bytes]:
    """Return the secrets of a file by whose they are; raise `CredentialError` for one that others may read.

    A file is read again when it has changed: each time while it is so new that a change would not show in its times.
    """
    if path is None:
        raise CredentialError("[credentials.token] file names no file of secrets")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_uid not in {0, os.geteuid()} or about.st_mode & 0o077:
                raise CredentialError(f"{path}: others may read or change it; `chmod 0600 {path}` as its one reader")
            state = about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
            known = _read.get(path)
            if known is not None and known.state == state:
                return known.secrets
            found = _secrets_of(path, file.read().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    age_ns = int(now().utc.timestamp() * 1e9) - about.st_ctime_ns
    if age_ns > SETTLED_NS:
        _read[path] = _Read(state, found)
    return found


def _secrets_of(path: Path, lines: Iterable[str]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        who, _, secret = line.partition(" ")
        if not WHO.fullmatch(who) or not _SECRET.fullmatch(secret.strip()) or who in found:
            raise CredentialError(
                f"{path}, line {number}: write `node:NAME` or `user:NAME`, once each, and 64 hexadecimal digits"
            )
        found[who] = bytes.fromhex(secret.strip())
    return found
