"""Claims, the record on disk, costs of segments: values in, values out."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from vispa_green_jobs import record as records
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.claims import judge
from vispa_green_jobs.definition import Claim
from vispa_green_jobs.errors import JobError
from vispa_green_jobs.record import Cost, Record, Segment, Status
from vispa_green_jobs.report import total_cost_line
from vispa_green_jobs.running import Run, go_on

from vispa_green import host
from vispa_green.session import open_session

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("op", "value", "holds"),
    [("<", 1.0, False), ("<=", 1.0, True), (">", 1.0, False), (">=", 1.0, True), ("<", 0.9, True), (">", 1.1, True)],
)
def test_a_claim_is_what_its_operator_says(op: str, value: float, holds: bool) -> None:
    claim = Claim.model_validate({"metric": "m", "op": op, "value": 1.0, "source": "here"})
    (judged,) = judge([claim], {"m": value})
    assert judged.passed is holds


@pytest.mark.parametrize("metrics", [{}, {"m": math.nan}, {"m": -math.inf}])
def test_what_is_missing_or_no_number_has_failed(metrics: dict[str, float]) -> None:
    claim = Claim.model_validate({"metric": "m", "op": "<", "value": 1.0, "source": "here"})
    (judged,) = judge([claim], metrics)
    assert (judged.passed, judged.value) == (False, None)


def test_a_run_with_a_metric_that_is_no_number_is_complete_and_its_claim_fails(
    tmp_path: Path, account: dict[str, str]
) -> None:
    one_flow = JOBS.load("one_flow")()
    job = replace(one_flow, run=lambda _settings, _context: {"auc_nominal": math.nan, "ks_v1A": 0.01})
    new = Record("one_flow", "smoke", 1, 1, job.plain(job.settings("smoke")), {})
    out = tmp_path / "run"
    go_on(Run(job, out, open_session(Path(account["VISPA_GREEN_CONFIG"])), host.now, lambda _text: None), new)
    kept = records.read(out)
    assert (kept.status, kept.exit_code) == (Status.COMPLETE, 3)
    assert kept.metrics == {"auc_nominal": None, "ks_v1A": 0.01}
    assert "| auc_nominal | – |" in (out / "report.md").read_text()


def a_record() -> Record:
    segments = (
        Segment("2026-01-01T00:00:00+00:00", "n1", "slurm", "7", "2026-01-01T01:00:00+00:00", Status.PAUSED, 10,
                Cost("ledger, Slurm job 7", 3_600_000_000, "measured", 0.4, 1.0)),
        Segment("2026-01-01T05:00:00+00:00", "n1", "slurm", "7"),
    )  # fmt: skip
    return Record("one_flow", "smoke", 1, 2, {"hidden": [64, 64]}, {"python": "3"}, Status.PAUSED, segments)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    records.write(a_record(), tmp_path)
    assert records.read(tmp_path) == a_record()
    assert json.loads((tmp_path / "metrics.json").read_text())["schema_version"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_record_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"schema_version": 9}')
    with pytest.raises(JobError, match="version 9"):
        records.read(tmp_path)
    with pytest.raises(JobError, match="holds no run"):
        records.read(tmp_path / "elsewhere")


def test_the_cost_says_what_it_does_not_know() -> None:
    assert total_cost_line(a_record()) == (
        "energy 1.00 Wh (measured), 0.40 g CO2, in 2 segments, 1 of them without a figure"
    )
