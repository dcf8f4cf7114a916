"""Laws of every bundled job's definition: a new folder is tested here with no edit."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from vispa_green_jobs.batch import Submission, render
from vispa_green_jobs.catalogue import JOBS
from vispa_green_jobs.errors import JobError

Jobs = Callable[..., subprocess.CompletedProcess[str]]
each_job = pytest.mark.parametrize("name", JOBS.names())

BLOCKER = """\
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "numpy", "scipy", "sklearn", "matplotlib", "pyhf"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture
def without_heavy(tmp_path: Path) -> dict[str, str]:
    """Variables under which Python finds nothing heavy."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKER)
    return {"PYTHONPATH": str(folder)}


@each_job
def test_it_says_where_it_comes_from_and_what_it_promises(name: str) -> None:
    about = JOBS.load(name)().definition
    assert re.fullmatch(r"\d{4}\.\d{4,5}", about.arxiv)
    assert about.livingreview_category
    assert {"tiny", "smoke", "paper"} <= set(about.presets)
    assert all(bool(about.claims_of(preset)) == (preset != "tiny") for preset in about.presets)
    assert all(set(claim.presets) <= set(about.presets) for claim in about.claims)


@each_job
def test_every_preset_fills_the_settings(name: str) -> None:
    job = JOBS.load(name)()
    for preset in job.definition.presets:
        settings = job.settings(preset)
        assert job.settings_of(json.loads(json.dumps(job.plain(settings)))) == settings


def test_listed_without_anything_heavy(jobs: Jobs, without_heavy: dict[str, str]) -> None:
    listed = json.loads(jobs("list", "--json", **without_heavy).stdout)["jobs"]
    assert [job["name"] for job in listed] == list(JOBS.names())
    assert all("numpy" in job["missing"] for job in listed)


@each_job
def test_shown_and_rendered_without_anything_heavy(name: str, jobs: Jobs, without_heavy: dict[str, str]) -> None:
    assert f"arXiv:{JOBS.load(name)().definition.arxiv}" in jobs("show", name, **without_heavy).stdout
    assert jobs("submit", name, "--dry-run", **without_heavy).stdout.startswith("#!/bin/bash\n")


@each_job
def test_a_missing_extra_is_one_line(name: str, jobs: Jobs, without_heavy: dict[str, str], tmp_path: Path) -> None:
    done = jobs("run", name, "--out", str(tmp_path / "run"), **without_heavy)
    assert done.returncode == 1
    assert re.fullmatch(rf"vispa-green: {name} needs .*: pip install 'vispa-green\[[a-z,-]+\]'\n", done.stderr)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("stepps=3", "no setting 'stepps' – did you mean 'steps'"),
        ("steps=many", "steps: input should be a valid integer"),
        ("steps", "write it as key=value"),
    ],
)
def test_a_wrong_setting_says_so(change: str, complaint: str) -> None:
    with pytest.raises(JobError, match=complaint):
        JOBS.load("one_flow")().settings("smoke", [change])


def test_settings_are_read_as_toml() -> None:
    settings = JOBS.load("one_flow")().settings("smoke", ["hidden=[8]", "steps = 7", "learning_rate=1e-2"])
    assert (settings.hidden, settings.steps, settings.learning_rate) == ((8,), 7, 0.01)


def test_an_unknown_preset_names_the_known() -> None:
    job = JOBS.load("one_flow")()
    with pytest.raises(JobError, match="did you mean 'smoke'"):
        job.settings("smok")
    with pytest.raises(JobError, match="write one number"):
        render(Submission("one_flow", "smoke", "0..9", (), Path("/x")), job.definition, "python")
