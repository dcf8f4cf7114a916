"""Ways to prove who asks a server, one file each; a file defines ``make(host, options) -> Credential``.

A proof covers the whole request: method, address, the node that it speaks for, and body. So nobody can put
another body under it, and one that was caught on its way is good for nothing a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from vispa_green.registry import Variants

NODE_HEADER = "Vispa-Green-Node"
"""For which node an agent speaks; covered by the proof."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proof is about: one request."""

    method: str
    target: str
    """Path and query, as they are sent."""
    body: bytes = field(default=b"", repr=False)
    node: str = ""

    def digest(self) -> str:
        """Return what stands for all of it, in hexadecimal digits."""
        from hashlib import sha256  # who has a ledger of his own never needs it

        from vispa_green.codec import text_of

        body = sha256(self.body).hexdigest()
        return sha256(text_of(["vispa-green 1", self.method, self.target, self.node, body]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OtherEnd:
    """The other end of a connection, as this machine's kernel tells it."""

    address: str = ""
    """Of a connection by network."""
    uid: int | None = None
    """Of the process at the other end of a local socket."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as it is proven.

    ``node`` is what the proof speaks for. Of a node with a secret of its own (without a user) that is proven;
    a user claims it, and the server looks whether he may.
    """

    uid: int | None
    user: str
    node: str
    kind: str
    address: str = ""
    """Where the proof was made, where that is known."""


class Seen(Protocol):
    """A memory of proofs that may count only once."""

    def is_first(self, mark: str, until: datetime, now: datetime) -> bool:
        """Say whether this is the first time; remember it until it counts no more anyway."""


class Credential(Protocol):
    """One way to prove who asks."""

    def sign(self, asked: Asked, at: datetime) -> Mapping[str, str]:
        """Return headers that prove who this process is; raise `CredentialError` where it cannot."""

    def verify(
        self, asked: Asked, headers: Mapping[str, str], end: OtherEnd, at: datetime, seen: Seen
    ) -> Caller | None:
        """Return who asks, ``None`` where there is no proof of this kind.

        ``headers`` have names in lower case. Raise `CredentialRefused` for a proof that is not to be believed,
        `CredentialError` where it cannot be checked.
        """


CREDENTIALS: Variants[Credential] = Variants("credential", __name__, "credentials")
