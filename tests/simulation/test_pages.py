"""What the simulation's pages show runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

from vispa_green_sim.result import Run
from vispa_green_sim.study.spec import load, scenarios

from tests.simulation.small_study import history

PAGES = Path(__file__).parents[2] / "docs" / "simulation"


def test_the_program_in_the_tour_of_the_engine(tmp_path: Path) -> None:
    (tmp_path / "jobs.swf").write_text(history(50))
    [program] = re.findall(r"^```python\n(.*?)^```", (PAGES / "engine.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"path": tmp_path / "jobs.swf"}
    exec(compile(program, "engine.md", "exec"), names)
    assert isinstance(names["run"], Run)
    assert len(names["run"].starts) == 50


def test_the_study_that_the_page_explains(tmp_path: Path) -> None:
    """Every key in it exists; its sensitivity varies what is there."""
    text = (PAGES / "studies.md").read_text().partition("## The file\n")[2]
    lines = text.partition("\nRelative paths")[0]
    (tmp_path / "study.toml").write_text(dedent(lines))
    spec = load(tmp_path / "study.toml")
    assert spec.machine.scheduler == "easy"
    assert [table.name for table, _ in scenarios(spec)] == [
        "a quarter takes part",
        "a quarter takes part; adoption.rate = 0.1",
        "a quarter takes part; adoption.rate = 0.5",
    ]
