"""The zone people here mean when they write a time; with its changes to summer time, unlike a bare offset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def local_zone(environment: Mapping[str, str], system_zone: Path = Path("/etc/localtime")) -> tzinfo:
    """Return the zone of ``TZ``, else the system's (localtime(5)), else UTC."""
    name = environment.get("TZ", "").removeprefix(":")
    try:
        if name:
            return ZoneInfo(name)
        with system_zone.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC
