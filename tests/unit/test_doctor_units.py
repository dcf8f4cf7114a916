"""What the doctor makes of units, of the agent's rights, and of files with secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.story import Story

from vispa_green.doctor import Level
from vispa_green.doctor.units import AGENT, CAPABILITIES, PRUNE, judged, rights, units

ENABLED = st.sampled_from(["enabled", "disabled", "static", "masked", ""])
STATES = st.sampled_from(["active", "inactive", "failed", "activating", "deactivating", ""])
NAMES = st.sampled_from([AGENT, "vispa-green-sync.service", "vispa-green-replan.timer", "vispa-green-replan.service"])
BOTH = sum(1 << number for number in CAPABILITIES.values())


@given(st.dictionaries(NAMES, st.tuples(ENABLED, STATES)))
def test_what_was_enabled_runs_or_fails(states: dict[str, tuple[str, str]]) -> None:
    shown = {name: {"UnitFileState": file, "ActiveState": state} for name, (file, state) in states.items()}
    found = list(judged(shown, keeps_raw=True))
    failed = {name for name in states if any(name in f.what for f in found if f.level is Level.FAIL)}
    assert failed == {
        name
        for name, (file, state) in states.items()
        if state == "failed" or (file == "enabled" and state not in {"active", "activating", "reloading"})
    }
    assert all(bool(f.remedy) == (f.level is not Level.OK) for f in found)


def test_what_runs_and_is_not_enabled_is_a_warning() -> None:
    [finding] = judged({AGENT: {"UnitFileState": "disabled", "ActiveState": "active"}}, keeps_raw=True)
    assert (finding.level, "enable" in finding.remedy) == (Level.WARN, True)


@pytest.mark.parametrize("keeps_raw", [True, False])
def test_pruning_wants_an_age(keeps_raw: bool) -> None:
    found = list(judged({PRUNE: {"UnitFileState": "enabled", "ActiveState": "active"}}, keeps_raw=keeps_raw))
    assert any("keep_raw_days" in f.remedy for f in found) == keeps_raw


def test_what_is_not_installed_is_no_unit() -> None:
    shown = f"Id={AGENT}\nLoadState=not-found\nActiveState=inactive\n\nId={PRUNE}\nLoadState=loaded\nMainPID=0\n"
    assert units(shown) == {PRUNE: {"Id": PRUNE, "LoadState": "loaded", "MainPID": "0"}}
    assert units("") == {}


@pytest.mark.parametrize(
    ("uid", "held", "level", "said"),
    [
        ("0", "1ffffffffff", Level.WARN, "as root"),
        ("990", f"{BOTH:x}", Level.OK, "990 runs it"),
        ("990", "0", Level.WARN, "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE"),
        ("990", f"{1 << 2:x}", Level.WARN, "without CAP_SYS_PTRACE"),
    ],
)
def test_rights_are_what_the_agent_needs(uid: str, held: str, level: Level, said: str) -> None:
    [finding] = rights({"Uid": f"{uid}\t{uid}\t{uid}\t{uid}", "CapEff": held})
    assert (finding.level, said in finding.what) == (level, True)


def test_of_a_process_that_has_ended_nothing_is_said() -> None:
    assert list(rights({})) == []


def findings(story: Story, word: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(story.run("doctor", "--json").stdout)["findings"]
    return [finding for finding in found if word in finding["what"]]


@pytest.mark.parametrize(("mode", "level"), [(0o600, "ok"), (0o640, "ok"), (0o644, "fail"), (0o602, "fail")])
@pytest.mark.parametrize("table", ["[mail]\npassword_file", "[slurm.slurmrestd]\ntoken_file"])
def test_a_secret_is_closed_to_others(story: Story, tmp_path: Path, table: str, mode: int, level: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(mode)
    story.configure(f'{table} = "{secret}"\n')
    [finding] = findings(story, str(secret))
    assert finding["level"] == level


def test_a_secret_that_is_not_there_fails(story: Story, tmp_path: Path) -> None:
    story.configure(f'[mail]\npassword_file = "{tmp_path / "none"}"\n')
    assert [f["level"] for f in findings(story, "password_file")] == ["fail"]


@pytest.mark.parametrize(("mode", "found"), [(0o644, []), (0o664, ["its group"]), (0o646, ["everybody"])])
def test_a_configuration_is_its_owners_to_change(story: Story, mode: int, found: list[str]) -> None:
    story.config.chmod(mode)
    said = [f["what"] for f in findings(story, "may write to")]
    assert len(said) == len(found)
    assert all(who in what for who, what in zip(found, said, strict=True))
