"""`metrics.json`: everything a run leaves behind in numbers, written whole at each change of its state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from vispa_green_jobs.errors import JobError
from vispa_green_jobs.files import write_whole

FILE = "metrics.json"
SCHEMA_VERSION = 1

Metrics = Mapping[str, float | None]
"""``None`` is what came out as no finite number."""


class Status(StrEnum):
    """How a run, or a segment of it, stands."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETE = "complete"
    FAILED = "failed"
    KILLED = "killed"
    """Of a segment whose end nobody wrote down."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Energy and CO2 of one segment; ``None`` is unknown, and ``source`` says who measured or why nobody did."""

    source: str
    energy_uj: int | None = None
    quality: str | None = None
    co2_g: float | None = None
    co2_coverage: float = 0.0
    """The part of the energy for which the grid was known."""
    known_until: str | None = None
    """The end of the last interval in the account."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of work: from a start or a resume to a pause or the end."""

    start: str
    node: str
    account: str
    """Who accounts it: ``slurm`` (the cluster's agents) or ``local`` (our own meter)."""
    account_id: str
    """The job's id in the ledger."""
    end: str | None = None
    status: Status = Status.RUNNING
    steps: int = 0
    cost: Cost = field(default_factory=lambda: Cost("not asked yet"))
    resume_at: str | None = None
    """When the next segment is to begin, if this one was paused because green hours ended."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim and whether it held; a metric that is missing or not a number fails."""

    metric: str
    op: str
    threshold: float
    value: float | None
    passed: bool
    source: str


@dataclass(frozen=True, slots=True)
class Record:
    """One run in one folder."""

    job: str
    preset: str
    seed: int
    threads: int
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    status: Status = Status.RUNNING
    segments: tuple[Segment, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    claims: tuple[Judgement, ...] = ()
    exit_code: int | None = None

    def with_segment(self, segment: Segment) -> Record:
        """Add a segment."""
        return replace(self, segments=(*self.segments, segment))

    def with_last(self, segment: Segment) -> Record:
        """Put a segment in the place of the last one."""
        return replace(self, segments=(*self.segments[:-1], segment))


def write(record: Record, out: Path) -> None:
    """Write the record; whoever reads meanwhile, or after a crash, finds the old or the new one, whole."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **asdict(record)}, indent=1, allow_nan=False) + "\n"
    write_whole(out / FILE, lambda temporary: temporary.write_text(text))


def exists(out: Path) -> bool:
    """Say whether a run was ever started in this folder."""
    return (out / FILE).exists()


def read(out: Path) -> Record:
    """Read the record of a run; raise `JobError` if there is none or it is of another version."""
    try:
        content = json.loads((out / FILE).read_text())
    except FileNotFoundError:
        raise JobError(f"{out} holds no run; start one there with `vispa-green jobs run NAME --out {out}`") from None
    except json.JSONDecodeError as error:
        raise JobError(f"{out / FILE} is damaged ({error}); its run cannot be continued") from error
    version = content.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise JobError(f"{out / FILE} has version {version}; this program reads {SCHEMA_VERSION}")
    segments = tuple(_segment(segment) for segment in content.pop("segments"))
    claims = tuple(Judgement(**claim) for claim in content.pop("claims"))
    status = Status(content.pop("status"))
    return Record(**content, status=status, segments=segments, claims=claims)


def _segment(content: dict[str, Any]) -> Segment:
    return Segment(**{**content, "status": Status(content["status"]), "cost": Cost(**content["cost"])})


def moment(text: str) -> datetime:
    """Return a time of the record."""
    return datetime.fromisoformat(text)
