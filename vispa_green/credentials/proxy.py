"""A web server in front has found out who asks, and says so in a header; believed of the proxies that are named.

A process of any user can open a connection from the proxy's address, if they share a machine: there let the proxy
come by the unix socket, where the kernel tells its user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from vispa_green.credentials import Asked, Caller, Credential, OtherEnd, Seen
from vispa_green.errors import CredentialError, CredentialRefused
from vispa_green.host import Host, user_name, user_number
from vispa_green.settings import text, words

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[credentials.proxy]``: its header, its addresses, or its user on this machine."""

    header: str = text("X-Remote-User")
    addresses: tuple[str, ...] = words()
    users: tuple[str, ...] = words()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A `Credential` by a proxy's word."""

    options: Options

    def sign(self, asked: Asked, at: datetime) -> Mapping[str, str]:
        """Raise: only a proxy says this of others."""
        raise CredentialError("a proxy's header is the proxy's to write; ask with munge, a token or a unix socket")

    def verify(
        self, asked: Asked, headers: Mapping[str, str], end: OtherEnd, at: datetime, seen: Seen
    ) -> Caller | None:
        """Return the user whom the proxy names; he speaks for no node."""
        if (name := headers.get(self.options.header.lower())) is None:
            return None
        is_named = end.address in self.options.addresses if end.uid is None else self._is_user(end.uid)
        if not is_named:
            raise CredentialRefused(f"{self.options.header} is not believed from here")
        if not _NAME.fullmatch(name):
            raise CredentialRefused(f"{self.options.header} holds no user's name")
        return Caller(user_number(name), name, "", "proxy")

    def _is_user(self, uid: int) -> bool:
        return user_name(uid) in self.options.users


def make(host: Host | None, options: Options) -> Credential:
    """Return the way."""
    return Proxy(options)
