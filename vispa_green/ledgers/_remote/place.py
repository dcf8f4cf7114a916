"""What the places at a server have in common, however it is reached."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass

from vispa_green.credentials import CREDENTIALS, Credential
from vispa_green.ledgers import LedgerPlace
from vispa_green.ledgers._remote.channel import Channel
from vispa_green.ledgers._remote.ledger import RemoteLedger
from vispa_green.model import Ledger
from vispa_green.registry import Tables

Connect = Callable[[str], http.client.HTTPConnection]
"""Returns a connection, not yet opened, to what a URL names."""


@dataclass(frozen=True, slots=True)
class ServersPlace:
    """A `vispa_green.ledgers.RemotePlace`: a server, and how this process proves to it who it is."""

    connect: Connect
    credential: str
    tables: Tables | None = None
    node: str = ""

    def as_asker(self, node: str, credentials: Tables) -> LedgerPlace:
        """Return the same place for this node's agent, with what the configuration says of credentials."""
        return ServersPlace(self.connect, self.credential, credentials, node)

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Connect and be known there; whether there is a ledger, and of which cluster, is the server's to say."""
        self.connect(url)  # says at once what is wrong with the address
        proof: Credential = CREDENTIALS.make(self.credential, None, self.tables or {})
        return RemoteLedger(Channel(url, lambda: self.connect(url), proof), self.node, read_only=read_only)
