"""Questions from Python: the page's examples run, tables have real types, `measured` is never in the way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.story import Story

import vispa_green as vg
from vispa_green.api import Answer
from vispa_green.errors import UsageError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, Promise, Quantity
from vispa_green.units import UJ_PER_WH

PAGE = Path(__file__).parents[2] / "docs/python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MONDAY = datetime(2026, 11, 9, tzinfo=UTC)


@pytest.fixture
def told(story: Story) -> Story:
    """Two jobs on two days, of which Slurm told nothing."""
    for hours, job in ((1, "1"), (30, "2")):
        story.interval(MONDAY + timedelta(hours=hours), 1800, {Component.CPU: {job: (8 * UJ_PER_WH, UJ_PER_WH)}})
    ledger = open_ledger(story.url)
    for job in ("1", "9"):
        ledger.promises.append(
            Promise(
                job, "ada", MONDAY, MONDAY, timedelta(hours=1), None, Quantity.CARBON_INTENSITY, 300.0, None,
                "best_mean", "greenest", story.cluster,
            )
        )  # fmt: skip
    ledger.close()
    return story


def python(code: str, config: Path, state: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"VISPA_GREEN_CONFIG": str(config), "VISPA_GREEN_STATE": str(state)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_of_the_page_runs(code: str, told: Story, tmp_path: Path) -> None:
    done = python(code, told.config, tmp_path / "state")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_table_has_real_types_where_something_is_unknown(told: Story) -> None:
    pytest.importorskip("pandas")
    table = vg.jobs(since="2026-11-01", all_users=True, config=told.config).to_pandas()
    assert len(table) > 0
    kinds = {name: str(kind) for name, kind in table.dtypes.items()}
    assert kinds["start"] == kinds["submit"] == "datetime64[us, UTC]"
    assert kinds["elapsed"] == "timedelta64[us]"
    assert kinds["energy_uj"] == kinds["cpus"] == "Int64"
    assert kinds["co2_g"] == "Float64"
    sums = vg.totals(by=["user", "day"], since="2026-11-01", all_users=True, config=told.config).to_pandas()
    assert sums["energy_uj"].sum() == table["energy_uj"].sum()


def test_a_table_without_rows_has_the_columns_and_types_of_one_with_rows(told: Story) -> None:
    """A notebook that groups and sums works in its first week, too."""
    pytest.importorskip("pandas")

    def tables(since: str) -> list[Answer[Any]]:
        return [
            vg.jobs(since=since, all_users=True, config=told.config),
            vg.totals(by=["job", "component", "week"], since=since, all_users=True, config=told.config),
        ]

    for full, empty in zip(tables("2026-11-01"), tables("2026-11-20"), strict=True):
        assert (len(full) > 0, len(empty)) == (True, 0)
        assert full.to_pandas().dtypes.to_dict() == empty.to_pandas().dtypes.to_dict()


def test_green_jobs_are_a_table_in_which_the_unknown_is_none(told: Story) -> None:
    pytest.importorskip("pandas")
    table = vg.green(all_users=True, config=told.config).to_pandas()
    assert sorted(table["job_id"]) == ["1", "9"]
    assert list(table["forecast_mean"]) == [300.0, 300.0]
    assert table["saved_g"].isna().all()
    assert str(table["saved_g"].dtype) == "Float64"


def test_a_question_that_is_none_names_what_there_is(told: Story) -> None:
    with pytest.raises(UsageError, match="did you mean 'user'"):
        vg.totals(by="usr", config=told.config)
    with pytest.raises(AttributeError, match="no attribute 'watts'"):
        vg.__getattr__("watts")


@pytest.mark.parametrize("text", ["[meters]\nenabled = 7\n", "no TOML"])
def test_a_configuration_that_cannot_be_used_is_told_and_the_defaults_measure(text: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    code = (
        f"import pathlib, vispa_green as vg\nwith vg.measured('x', config=pathlib.Path({str(config)!r})) as m:\n"
        "    sum(range(3_000_000))\nassert m.energy_uj > 0, m.trouble\nprint(m.quality, m.trouble)"
    )
    done = python(code, config, tmp_path / "state")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(config) in done.stdout
    assert list((tmp_path / "state").iterdir())


def test_half_an_installation_measures_nothing_and_stands_in_nobodys_way(told: Story, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psutil'] = None\nimport vispa_green as vg\nwith vg.measured() as m:\n"
        "    print('done')\nassert m.energy_uj is None\nassert 'psutil' in m.trouble"
    )
    done = python(code, told.config, tmp_path / "state")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_an_error_within_is_the_callers_own(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), vg.measured("x", config=tmp_path / "absent.toml"):
        _ = 1 / 0
