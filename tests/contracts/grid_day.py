"""The day that the stand-ins of grid providers know, and the moment at which they are asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.gridday import GridDay, compress, german_day

T0 = datetime(2026, 6, 1, tzinfo=UTC)
NOW = T0 + timedelta(hours=9, minutes=3)
END = T0 + timedelta(days=1)


def series() -> GridDay:
    """Return a German day from `T0` on."""
    return compress(german_day(Path("/nowhere")), T0)
