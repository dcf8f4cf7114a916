"""Places to keep the account, one file each, chosen by the scheme of ``[ledger] url``.

A file defines ``make(host, options) -> LedgerPlace``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vispa_green.errors import ConfigError
from vispa_green.registry import Variants

if TYPE_CHECKING:
    from vispa_green.host import Host
    from vispa_green.model import Ledger
    from vispa_green.registry import Tables


class LedgerPlace(Protocol):
    """A kind of place that a ledger can be kept at."""

    def open_ledger(self, url: str, *, create: bool, read_only: bool, cluster: str, zone: str) -> Ledger:
        """Open the ledger at ``url``; raise `LedgerMissing` if it is not there and may not be created.

        ``cluster`` names rows that are older than clusters; days are summed in ``zone``.
        """


@runtime_checkable
class RemotePlace(LedgerPlace, Protocol):
    """A place at a server, which has to be told who asks, and decides itself what he may see and do."""

    def as_asker(self, node: str, credentials: Tables) -> LedgerPlace:
        """Return the place for a process on this node; ``credentials`` are the options of the ways to prove it."""


LEDGERS: Variants[LedgerPlace] = Variants("ledger", __name__, "ledger")


def scheme_of(url: str) -> str:
    """Return the scheme of a ledger's URL, which is the name of its variant; raise `ConfigError` without one."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigError(
            f"[ledger] url: {url!r} has no scheme; write sqlite:////absolute/path/ledger.sqlite"
            " or postgresql://user@host/database"
        )
    return scheme


def decides_itself(url: str, tables: Tables) -> bool:
    """Say whether the place at ``url`` decides what whoever asks may see."""
    return isinstance(LEDGERS.make(scheme_of(url), None, tables), RemotePlace)


def open_ledger(
    url: str,
    *,
    create: bool = False,
    read_only: bool = False,
    cluster: str = "cluster",
    zone: str = "Europe/Berlin",
    tables: Tables | None = None,
    credentials: Tables | None = None,
    host: Host | None = None,
) -> Ledger:
    """Open the ledger at ``url``, as `LedgerPlace.open_ledger` does; ``tables`` are the options of its variant.

    ``credentials`` are for a `RemotePlace`; ``host`` is the node this program runs on and speaks for.
    """
    place = LEDGERS.make(scheme_of(url), host, tables or {})
    if isinstance(place, RemotePlace):
        place = place.as_asker("" if host is None else host.name, credentials or {})
    return place.open_ledger(url, create=create, read_only=read_only, cluster=cluster, zone=zone)
