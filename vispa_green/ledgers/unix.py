"""The ledger at a server on this machine: ``unix:///run/vispa-green/server.sock``; the kernel says who asks."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection

from vispa_green.errors import ConfigError
from vispa_green.host import Host
from vispa_green.ledgers import LedgerPlace
from vispa_green.ledgers._remote.channel import UnixConnection
from vispa_green.ledgers._remote.place import ServersPlace
from vispa_green.settings import number, text


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[ledger.unix]``."""

    credential: str = text("peer")
    timeout_s: float = number(60.0, above=0)


def make(host: Host | None, options: Options) -> LedgerPlace:
    """Return the kind of place."""

    def connect(url: str) -> HTTPConnection:
        path = url.removeprefix("unix://")
        if not path.startswith("/"):
            raise ConfigError(
                f"[ledger] url: {url!r} needs an absolute path, as in unix:///run/vispa-green/server.sock"
            )
        return UnixConnection(path, options.timeout_s)

    return ServersPlace(connect, options.credential)
