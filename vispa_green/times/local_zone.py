"""The zone people here mean when they write a time; with its changes to summer time, unlike a bare offset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def local_zone(environment: Mapping[str, str], system_zone: Path = Path("/etc/localtime")) -> tzinfo:
    """Return the zone of ``TZ``, else the system's (localtime(5)), else UTC."""
    name = environment.get("TZ", "").removeprefix(":")
    try:
        if name:
            return ZoneInfo(name)
        with system_zone.open("rb") as file:
            return ZoneInfo.from_file(file, key=_key(system_zone))
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC


def zone_name(zone: tzinfo, at: datetime) -> str:
    """Return what people call a zone: ``Europe/Berlin``, else what its clocks show at that time, e.g. ``CET``."""
    key: str | None = getattr(zone, "key", None)
    if key and not key.startswith("Etc/"):
        return key
    return at.astimezone(zone).tzname() or "local time"


def _key(system_zone: Path) -> str | None:
    """Return the name of the file below ``zoneinfo`` that it links to; ``None`` for a copy."""
    _, found, name = str(system_zone.resolve()).partition("/zoneinfo/")
    return name if found else None
