"""Files of secrets: a line each, ``node:n1 SECRET`` or ``user:ada SECRET``, for the eyes of one user only."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from vispa_green.errors import CredentialError

WHO = re.compile(r"(?:node:[A-Za-z0-9_]|user:[A-Za-z_])[A-Za-z0-9_.\-]{0,127}")
_SECRET = re.compile(r"[0-9a-f]{64}")


def secrets_in(path: Path | None) -> Mapping[str, bytes]:
    """Return the secrets of a file by whose they are; raise `CredentialError` for one that others may read."""
    if path is None:
        raise CredentialError("[credentials.token] file names no file of secrets")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_uid not in {0, os.geteuid()} or about.st_mode & 0o077:
                raise CredentialError(f"{path}: others may read or change it; `chmod 0600 {path}` as its one reader")
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
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
