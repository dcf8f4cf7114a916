"""Slurm's own way: munge proves the user, covers the request, and decodes each credential once.

Whoever has a cluster's munge key can be anybody on it, so root of every node can: [what that means][1].

[1]: docs/decisions/010-who-asks-a-server.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vispa_green.credentials import Asked, Caller, Credential, OtherEnd, Seen
from vispa_green.errors import CredentialRefused
from vispa_green.host import Host, user_name
from vispa_green.settings import place, whole

SCHEME = "munge "
LONGEST = 4096
"""Ours have about 250 characters."""


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[credentials.munge]``: munged's socket, if it is not where it is by default."""

    socket: Path | None = place(None)
    ttl_s: int = whole(300, at_least=1, at_most=3600)


@dataclass(frozen=True, slots=True)
class Munge:
    """A `Credential` by munged."""

    options: Options

    def sign(self, asked: Asked, at: datetime) -> Mapping[str, str]:
        """Return a credential of this process's user over the request."""
        from vispa_green.credentials import _libmunge

        made = _libmunge.encode(asked.digest().encode(), self.options.socket, self.options.ttl_s)
        return {"Authorization": f"MUNGE {made}"}

    def verify(
        self, asked: Asked, headers: Mapping[str, str], end: OtherEnd, at: datetime, seen: Seen
    ) -> Caller | None:
        """Return the user that munge names."""
        given = headers.get("authorization", "")
        if not given.lower().startswith(SCHEME):
            return None
        from vispa_green.credentials import _libmunge

        credential = given[len(SCHEME) :].strip()
        if not credential.isascii() or not credential.isprintable() or len(credential) > LONGEST:
            raise CredentialRefused("that is no munge credential")
        try:
            found = _libmunge.decode(credential, self.options.socket)
        except _libmunge.MungeFailed as error:
            if error.code in _libmunge.INVALID:
                raise CredentialRefused(str(error)) from None
            raise
        if found.payload != asked.digest().encode():
            raise CredentialRefused("the munge credential is of another request")
        address = "" if found.address == "0.0.0.0" else found.address  # noqa: S104 - munge's word for unknown
        return Caller(found.uid, user_name(found.uid), asked.node, "munge", address)


def make(host: Host | None, options: Options) -> Credential:
    """Return the way."""
    return Munge(options)
