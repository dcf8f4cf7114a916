"""The ledger at a server: ``http://head:8642``, within a network that its site trusts not to listen."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection

from vispa_green.host import Host
from vispa_green.ledgers import LedgerPlace
from vispa_green.ledgers._remote.address import host_and_port
from vispa_green.ledgers._remote.place import ServersPlace
from vispa_green.settings import number, text


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[ledger.http]``: how this machine proves who asks, and how long it waits for an answer."""

    credential: str = text("munge")
    timeout_s: float = number(60.0, above=0)


def make(host: Host | None, options: Options) -> LedgerPlace:
    """Return the kind of place."""

    def connect(url: str) -> HTTPConnection:
        name, port = host_and_port(url, 8642)
        return HTTPConnection(name, port, timeout=options.timeout_s)

    return ServersPlace(connect, options.credential)
