"""On the server's own machine: the kernel says who opened a unix socket (``SO_PEERCRED``, unix(7))."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from vispa_green.credentials import Asked, Caller, Credential, OtherEnd, Seen
from vispa_green.errors import CredentialRefused
from vispa_green.host import Host, user_name
from vispa_green.registry import NoOptions

FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class Peer:
    """A `Credential` without a word: to open the socket is all that there is to do."""

    def sign(self, asked: Asked, at: datetime) -> Mapping[str, str]:
        """Return nothing; the kernel tells."""
        return {}

    def verify(
        self, asked: Asked, headers: Mapping[str, str], end: OtherEnd, at: datetime, seen: Seen
    ) -> Caller | None:
        """Return the user of the process that opened the socket; one that only hands on proves nothing."""
        if end.uid is None:
            return None
        if any(name in headers for name in FORWARDED):
            raise CredentialRefused("a proxy handed this on, so its own user is not who asks")
        return Caller(end.uid, user_name(end.uid), asked.node, "peer")


def make(host: Host | None, options: NoOptions) -> Credential:
    """Return the way."""
    return Peer()
