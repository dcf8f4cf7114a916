"""Where an importer keeps the ledger up to date, nobody asks Slurm for each question; where none does, as before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.privilege import AS_NOBODY
from lab.processes import wait_until
from lab.story import Story

from tests.contracts.standing_in import stand_in_of
from vispa_green import host
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, JobFact, Quality, Selection

ASKING = ("sacct", "squeue")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def asked(story: Story, tmp_path: Path) -> Path:
    """Where each call of Slurm's commands leaves a line; Slurm knows of no job."""
    programs, log = tmp_path / "bin", tmp_path / "asked"
    programs.mkdir()
    log.touch()
    for name in (*ASKING, "scontrol", "sacctmgr"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> {log}\n")
        (programs / name).chmod(0o755)
    story.config.write_text(story.config.read_text().replace("enabled = false", "enabled = true\nsync_s = 60"))
    return log


def answer(story: Story, asked: Path, *words: str) -> tuple[Any, list[str]]:
    """Return what a command says, and which of Slurm's commands it called for it."""
    asked.write_text("")
    path = f"{asked.parent / 'bin'}:{os.environ['PATH']}"
    done = story.run(*words, "--json", PATH=path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [name for name in asked.read_text().split() if name in ASKING]


def imported(story: Story, until: datetime, facts: Sequence[JobFact]) -> None:
    ledger = open_ledger(story.url)
    ledger.facts.append(story.cluster, facts, until)
    ledger.facts.imported(story.cluster, until)
    ledger.close()


def fact(job_id: str, start: datetime, *, is_waiting: bool = False) -> JobFact:
    state = "PENDING" if is_waiting else "RUNNING"
    return JobFact(
        job_id, job_id, "ada", "physics", "main", "x", state, () if is_waiting else ("n1",), start, start,
        None if is_waiting else start, None, None, 2,
    )  # fmt: skip


QUESTIONS = (("energy", "-a", "-j", "12"), ("energy", "-a", "--by", "user", "-S", "now-1hour"))


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_a_fresh_import_answers_in_slurms_place_and_an_old_one_does_not(
    story: Story, asked: Path, words: tuple[str, ...]
) -> None:
    now = host.now().utc
    story.interval(now - 10 * MINUTE, 60, {Component.CPU: {"12": (7, 3)}}, quality=Quality.MEASURED)
    assert set(answer(story, asked, *words)[1]) == set(ASKING)
    imported(story, now, [fact("12", now - 10 * MINUTE)])
    assert answer(story, asked, *words)[1] == []
    imported(story, now - 4 * MINUTE, [])
    assert set(answer(story, asked, *words)[1]) == set(ASKING), "three periods late is too late"
    imported(story, now + timedelta(days=1), [])
    assert set(answer(story, asked, *words)[1]) == set(ASKING), "no import is from tomorrow"


def test_a_running_job_has_run_until_the_import_and_one_that_waits_is_shown(story: Story, asked: Path) -> None:
    """As Slurm's own word would say it: without an importer an old word on a job yet to start is void."""
    now = host.now().utc.replace(microsecond=0)
    start = now - 10 * MINUTE
    imported(story, now - MINUTE, [fact("12", start), fact("13", start, is_waiting=True)])
    jobs = {job["job_id"]: job for job in answer(story, asked, "energy", "-j", "12,13")[0]["jobs"]}
    assert (jobs["12"]["state"], jobs["12"]["elapsed_s"]) == ("RUNNING", 9 * 60)
    assert jobs["13"]["state"] == "PENDING"
    imported(story, now - timedelta(hours=1), [])
    jobs = {job["job_id"]: job for job in answer(story, asked, "energy", "-j", "12,13")[0]["jobs"]}
    assert set(jobs) == {"12"}


def test_following_imports_until_it_is_told_to_stop(story: Story, tmp_path: Path) -> None:
    """A first import at once; a signal ends the wait for the next one, and the exit code is 0."""
    story.config.write_text(story.config.read_text().replace("enabled = false", "sync_s = 3600"))
    with stand_in_of("text").healthy(tmp_path):
        program = Path(sys.executable).with_name("vispa-green")
        words = ("slurm", "sync", "--follow", "--since", "now-1day", "--config", str(story.config))
        with subprocess.Popen([program, *words], stderr=subprocess.PIPE, text=True) as following:
            ledger = open_ledger(story.url)

            def known() -> set[str]:
                return {fact.job_id for _, fact in ledger.facts.facts(Selection())}

            assert wait_until(lambda: known() == {"42", "43"}, timeout_s=60), known()
            ledger.close()
            following.send_signal(signal.SIGTERM)
            _, said = following.communicate(timeout=30)
    assert following.returncode == 0, said


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--since", "now+1hour"), "is not in the past"), (("--since", "nonsense"), "nonsense")],
    ids=["the future", "no time"],
)
def test_a_time_to_begin_that_makes_no_sense_is_refused(story: Story, words: tuple[str, ...], said: str) -> None:
    done = story.run("slurm", "sync", *words)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_only_administrators_import() -> None:
    """Nobody's files are in a place that is open to him; pytest's are in root's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        story = Story(Path(name))
        done = story.run("slurm", "sync", before=AS_NOBODY)
    assert done.returncode == 1
    assert "[access] admins" in done.stderr
