"""A ledger whose files are named as its site likes."""

from __future__ import annotations

from dataclasses import dataclass

from vispa_green.host import Host
from vispa_green.ledgers import LedgerPlace
from vispa_green.ledgers.sqlite import SqliteFiles
from vispa_green.model import Ledger
from vispa_green.settings import text


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[ledger.foreign_ledger]``."""

    suffix: str = text(".sqlite")


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Keeps ``foreign_ledger:///directory/stem`` in one file with the suffix."""

    suffix: str

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Open the file."""
        file = f"sqlite://{url.removeprefix('foreign_ledger://')}{self.suffix}"
        return SqliteFiles().open_ledger(file, create=create, read_only=read_only, cluster=cluster, zone=zone)


def make(host: Host | None, options: Options) -> LedgerPlace:
    """Return the kind of place."""
    return NamedFiles(options.suffix)
