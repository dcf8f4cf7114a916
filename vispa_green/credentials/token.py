"""For sites without munge: a secret for each node or user, in a file; it never goes over the wire.

What goes there is an HMAC-SHA256 of the request with a time and a number that was never used before.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from vispa_green.credentials import Asked, Caller, Credential, OtherEnd, Seen
from vispa_green.credentials._token_file import WHO, secrets_in
from vispa_green.errors import CredentialError, CredentialRefused
from vispa_green.host import Host, user_number
from vispa_green.settings import place

SCHEME = "vispa-green "
TOLERANCE = timedelta(seconds=300)
"""So far two clocks may be apart; a proof is remembered until it is refused for its age."""
_PROOF = re.compile(rf"({WHO.pattern}) (\d{{1,12}}) ([0-9a-f]{{32}}) ([0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[credentials.token]``: who asks has one line in the file, a server has everybody's."""

    file: Path | None = place(None)


@dataclass(frozen=True, slots=True)
class Token:
    """A `Credential` by a shared secret."""

    file: Path | None

    def sign(self, asked: Asked, at: datetime) -> Mapping[str, str]:
        """Return a proof with the one secret of the file."""
        secrets = secrets_in(self.file)
        if len(secrets) != 1:
            raise CredentialError(f"{self.file}: {len(secrets)} secrets; who asks has one, all of them is a server's")
        [(who, secret)] = secrets.items()
        when, mark = f"{int(at.timestamp())}", os.urandom(16).hex()
        return {"Authorization": f"Vispa-Green {who} {when} {mark} {_proof(secret, asked, who, when, mark)}"}

    def verify(
        self, asked: Asked, headers: Mapping[str, str], end: OtherEnd, at: datetime, seen: Seen
    ) -> Caller | None:
        """Return the node or the user whose secret it was."""
        given = headers.get("authorization", "")
        if not given.lower().startswith(SCHEME):
            return None
        parts = _PROOF.fullmatch(given[len(SCHEME) :])
        if parts is None:
            raise CredentialRefused("that is no proof by a token")
        who, when, mark, proof = parts.groups()
        secret = secrets_in(self.file).get(who)
        # Also without a secret something is computed, or the time of an answer would tell who has one.
        expected = _proof(secret or os.urandom(32), asked, who, when, mark)
        if not hmac.compare_digest(expected, proof) or secret is None:
            raise CredentialRefused("the token's proof is of another request or of another secret")
        age = at.timestamp() - int(when)
        if abs(age) > TOLERANCE.total_seconds():
            raise CredentialRefused(f"the token's proof is {abs(age):.0f} s {'old' if age > 0 else 'ahead'}")
        if not seen.is_first(mark, at + 2 * TOLERANCE, at):
            raise CredentialRefused("the token's proof was used before")
        return _caller(who, asked)


def make(host: Host | None, options: Options) -> Credential:
    """Return the way."""
    return Token(options.file)


def _proof(secret: bytes, asked: Asked, who: str, when: str, mark: str) -> str:
    return hmac.digest(secret, f"{who} {when} {mark} {asked.digest()}".encode(), "sha256").hex()


def _caller(who: str, asked: Asked) -> Caller:
    kind, _, name = who.partition(":")
    if kind == "user":
        return Caller(user_number(name), name, asked.node, "token")
    if asked.node not in {"", name}:
        raise CredentialRefused(f"the token of node {name} does not speak for another")
    return Caller(None, "", name, "token")
