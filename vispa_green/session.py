"""What one call of a program works with: the configuration in force, the moment, the ledger and the node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vispa_green import host
from vispa_green.config import load, locate
from vispa_green.ledgers import open_ledger
from vispa_green.variants import check_tables

if TYPE_CHECKING:
    from vispa_green.access import Principal
    from vispa_green.config import Config
    from vispa_green.model import Instant, Ledger


@dataclass(frozen=True, slots=True)
class Session:
    """One call of a program; the ledger is opened only when asked for."""

    config: Config
    now: Instant
    place: Path | None = None
    """Where ledger and spool are, whatever the configuration says: for who may not write the site's."""
    asker: Principal | None = None
    """For whom a server asks; ``None``: for who runs this program."""

    @property
    def ledger_url(self) -> str:
        """The configured ledger, or this user's own."""
        return (not self.place and self.config.ledger.url) or f"sqlite://{self.state_dir / 'ledger.sqlite'}"

    @property
    def spool_dir(self) -> Path:
        """The configured spool directory, or this user's own."""
        return (not self.place and self.config.agent.spool_dir) or self.state_dir / "spool"

    @property
    def state_dir(self) -> Path:
        """Where this user's own data are."""
        return self.place or host.state_directory(os.getuid(), os.environ)

    @property
    def promise_dir(self) -> Path:
        """Where this user's own promises are kept."""
        return self.state_dir / "promises"

    def host(self) -> host.Host:
        """The node this program runs on, under the configured roots."""
        section = self.config.host
        name = section.name or host.short_name()
        return host.Host(name, section.sysfs_root, section.procfs_root, section.cgroup_root)

    def ledger(self, *, create: bool = False, read_only: bool = False) -> Ledger:
        """Open the ledger."""
        cluster = self.config.cluster
        return open_ledger(
            self.ledger_url,
            create=create,
            read_only=read_only,
            cluster=cluster.name,
            zone=cluster.timezone,
            tables=self.config.options("ledger"),
            credentials=self.config.options("credentials"),
            host=self.host(),
        )


def open_session(config_file: Path | None = None) -> Session:
    """Read the clock and the configuration in force."""
    path = locate(os.environ, config_file)
    config = load(path)
    if config.variants:
        check_tables(config, str(path))
    return Session(config, host.now())
