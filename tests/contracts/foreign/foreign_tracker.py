"""Jobs whose processes are seen through another procfs than the node's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vispa_green.host import Host
from vispa_green.model import Tracker
from vispa_green.registry import NoOptions
from vispa_green.settings import place
from vispa_green.trackers import process_environ


@dataclass(frozen=True, slots=True)
class Options:
    """The table ``[trackers.foreign_tracker]``."""

    procfs: Path | None = place(None)


def make(host: Host | None, options: Options) -> Tracker:
    """Return the tracker."""
    assert host is not None
    return process_environ.make(replace(host, procfs=options.procfs or host.procfs), NoOptions())
