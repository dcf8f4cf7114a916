"""What a job says of itself: `job.toml` into frozen values. Read without anything heavy installed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vispa_green.errors import did_you_mean
from vispa_green_jobs.errors import JobError

FILE = "job.toml"
TINY = "tiny"
"""The preset that every job has for trying its machinery: it learns nothing and claims nothing."""


class Part(BaseModel):
    """One table of the file; a key we do not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Operator(StrEnum):
    """How a metric is compared."""

    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


class Claim(Part):
    """What must hold of a metric when a preset is complete, and who says so."""

    metric: str
    op: Operator
    value: float
    source: Annotated[str, Field(min_length=1)]
    presets: tuple[str, ...] = ()
    """Empty means all of them but ``tiny``."""


class Resources(Part):
    """What a preset asks of a node."""

    cpus: Annotated[int, Field(ge=1)] = 2
    gpus: Annotated[int, Field(ge=0)] = 0
    memory_gib: Annotated[int, Field(ge=1)] = 4
    time: str = "01:00:00"
    """Slurm's time limit. A run that needs longer pauses before it and goes on when Slurm starts it again."""


class Preset(Part):
    """One way to run a job: its size."""

    settings: Mapping[str, Any] = {}
    resources: Resources = Resources()


class Definition(Part):
    """The whole file."""

    title: str
    summary: str
    arxiv: str
    livingreview_key: str
    """The key of the HEP ML Living Review (frozen in 2026); empty if it is not listed or could not be checked."""
    livingreview_category: str
    needs: tuple[str, ...]
    """Modules that `run` imports."""
    extras: tuple[str, ...]
    """The extras of this distribution that bring them."""
    presets: Mapping[str, Preset]
    claims: Annotated[tuple[Claim, ...], Field(alias="claim", min_length=1)]

    def preset(self, name: str) -> Preset:
        """Return a preset; raise `JobError` if there is none of that name."""
        if name not in self.presets:
            known = list(self.presets)
            raise JobError(f"no preset {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")
        return self.presets[name]

    def claims_of(self, preset: str) -> tuple[Claim, ...]:
        """Return the claims that a preset has to meet."""
        if preset == TINY:
            return ()
        return tuple(claim for claim in self.claims if not claim.presets or preset in claim.presets)


def read(folder: Path) -> Definition:
    """Read the definition in a job's folder; raise `JobError` with every fault at once."""
    path = folder / FILE
    try:
        return Definition.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise JobError(f"{path}: {error}") from error
    except ValidationError as invalid:
        faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in invalid.errors(include_url=False))
        raise JobError("\n".join(f"{path}: {fault}" for fault in faults)) from None
