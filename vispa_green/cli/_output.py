"""How commands print: JSON, times, spans, warnings; and the words for the grid's units."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from vispa_green.printable import printable

UNIT = {"gco2_per_kwh": "g CO2/kWh", "renewable_share_pct": "% renewable"}


@contextmanager
def uncollected() -> Iterator[None]:
    """Make an answer of a million small values without looking for cycles among them, a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def stamp(moment: datetime | None) -> str | None:
    """Return a time for JSON: ISO 8601 in UTC, whole seconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rounded(number: float | None, digits: int = 2) -> float | None:
    """Round for JSON; ``None`` stays what it is."""
    return None if number is None else round(number, digits)


def span_words(duration: timedelta) -> str:
    """Say a duration as people do: ``3 h 05 min``, ``12 s``."""
    seconds = int(abs(duration).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def print_json(body: dict[str, Any]) -> None:
    """Print one JSON document with the version of its schema."""
    click.echo(json.dumps({"meta": {"version": 1}, **body}, indent=2))


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on stderr, one a line."""
    for warning in warnings:
        click.echo(f"warning: {printable(warning)}", err=True)
