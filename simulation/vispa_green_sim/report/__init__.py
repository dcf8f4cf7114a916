"""The report of a study: one HTML file that needs nothing else, with JSON and CSV behind it.

No date and no path is in them: the same study gives the same bytes, wherever and however it was played.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vispa_green_sim.report.page import page_html
from vispa_green_sim.study.replication import Comparison
from vispa_green_sim.study.spec import StudyError
from vispa_green_sim.study.summary import Summary


@dataclass(frozen=True, slots=True)
class Files:
    """What was written."""

    html: Path
    summary: Path
    replications: Path
    users: Path


def write_report(summary: Summary, results: Sequence[Sequence[Comparison]], out: Path) -> Files:
    """Write all files of the report into a folder."""
    files = Files(out / "report.html", out / "summary.json", out / "replications.csv", out / "users.csv")
    content = {"meta": {"version": 1}, **dataclasses.asdict(summary)}
    try:
        files.html.write_text(page_html(summary, results), encoding="utf-8")
        files.summary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _write_rows(files.replications, _replications(results))
        _write_rows(files.users, _users(results))
    except OSError as error:
        raise StudyError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    return files


def _write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    found = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]) if found else ["scenario"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def _replications(results: Sequence[Sequence[Comparison]]) -> Iterator[dict[str, Any]]:
    for one in (one for row in results for one in row):
        record: dict[str, Any] = {"scenario": one.scenario, "seed": one.seed}
        for name in ("base", "side", "adopters", "others"):
            values = dataclasses.asdict(getattr(one, name))
            record |= {f"{name}_{key}": value for key, value in values.items()}
        yield record | {"held_jobs": one.held_jobs, "held_hours": one.held_hours}


def _users(results: Sequence[Sequence[Comparison]]) -> Iterator[dict[str, Any]]:
    for one in (one for row in results for one in row):
        for user in one.users:
            yield {"scenario": one.scenario, "seed": one.seed, **dataclasses.asdict(user)}
