"""Places to keep the account, one file each, chosen by the scheme of ``[ledger] url``.

A file defines ``open_ledger(url, *, create, read_only) -> Ledger``.
"""

from __future__ import annotations

from vispa_green.errors import ConfigError
from vispa_green.model import Ledger
from vispa_green.registry import Registry

LEDGERS: Registry[Ledger] = Registry("ledger", __name__, "open_ledger")


def open_ledger(url: str, *, create: bool = False, read_only: bool = False) -> Ledger:
    """Open the ledger at ``url``; raise `LedgerMissing` if it is not there and may not be created."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigError(f"[ledger] url: {url!r} has no scheme; write sqlite:////absolute/path/ledger.sqlite")
    return LEDGERS.load(scheme)(url, create=create, read_only=read_only)
