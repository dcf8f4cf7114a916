"""Annual emission factors of the grid as they were published, one file of data for each edition.

An edition is never changed; a revision is another file, and every figure tells which one it is from.
"""

from __future__ import annotations

import tomllib
from datetime import datetime, tzinfo
from pathlib import Path

from vispa_green.energy.bill import AnnualFactors
from vispa_green.errors import ConfigError, did_you_mean

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the editions there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def annual_factors(name: str) -> AnnualFactors:
    """Return the factors of an edition; raise `ConfigError` where there is none of that name."""
    if name not in names():
        raise ConfigError(
            f"[bill] annual: no factors {name!r}{did_you_mean(name, names())}; known: {', '.join(names())}"
        )
    content = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return AnnualFactors(
        content["name"],
        content["edition"],
        content["scope"],
        {int(year): float(grams) for year, grams in content["grams_per_kwh"].items()},
        {int(year): str(status) for year, status in content["status"].items()},
    )


def year_of(moment: datetime, zone: tzinfo) -> int:
    """Return the year that a moment counts for, where people live by ``zone``."""
    return moment.astimezone(zone).year
