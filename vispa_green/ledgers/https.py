"""The ledger at a server behind a web server that speaks TLS: ``https://account.physics.example``."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

from vispa_green.errors import LedgerError
from vispa_green.host import Host
from vispa_green.ledgers import LedgerPlace
from vispa_green.ledgers._remote.address import host_and_port
from vispa_green.ledgers._remote.place import ServersPlace
from vispa_green.settings import number, place, text


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[ledger.https]``: as that of ``http``, and who has signed the server's certificate."""

    credential: str = text("munge")
    timeout_s: float = number(60.0, above=0)
    ca_file: Path | None = place(None)


def make(host: Host | None, options: Options) -> LedgerPlace:
    """Return the kind of place."""

    def connect(url: str) -> HTTPSConnection:
        import ssl

        name, port = host_and_port(url, 443)
        try:
            trusted = ssl.create_default_context(cafile=options.ca_file)
        except OSError as error:
            raise LedgerError(f"[ledger.https] ca_file: {options.ca_file}: {error}") from error
        return HTTPSConnection(name, port, timeout=options.timeout_s, context=trusted)

    return ServersPlace(connect, options.credential)
