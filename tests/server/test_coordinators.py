"""Who coordinates an account, by ``sacctmgr``, sees its jobs at a server, and each such look is logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.real_server import RealServer, served
from tests.contracts.rows import HOUR, START, charged, deliver, fact
from tests.server.asking import ALL, JOBS, get, post
from vispa_green.ledgers import open_ledger

PEOPLE = ("user:ada", "user:bob", "user:eve")


@pytest.fixture(params=["jobs", "none", "fails"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, RealServer]]:
    """A server whose Slurm hides others' jobs, or does not, or gives no answer; ada coordinates of-bob."""
    private: str = request.param
    texts = {
        "scontrol": "exit 1" if private == "fails" else f"echo 'PrivateData             = {private}'",
        "sacctmgr": "case \"$*\" in *account*) echo 'of-bob|ada';; *) echo 'PrivateData = none';; esac",
        **dict.fromkeys(("sacct", "squeue", "sinfo"), "exit 0"),
    }
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in texts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    with served(server='credentials = ["token"]', tokens=PEOPLE, slurm=programs) as server:
        with closing(open_ledger(server.ledger_url)) as ledger:
            for number, user, uid in (("7", "ada", 990_001), ("8", "bob", 990_002), ("9", "eve", 990_003)):
                deliver(ledger, [charged({number: 1000}, START, HOUR, uid=uid, submitted=START)], spool=user)
                told = fact(number, user=user, uid=uid, account=f"of-{user}", end=START + HOUR)
                ledger.facts.append("lab", [told], START + HOUR)
        yield private, server


def seen(server: RealServer, who: str) -> set[str]:
    jobs = post(server, who, JOBS, ALL).json
    told = get(server, who, "/v1/jobs?all=1&since=2026-01-01").json["jobs"]
    assert {job["job_id"] for job in told} == {job["key"]["job_id"] for job in jobs}, "by call and by answer"
    return {job["user"] for job in told}


def test_she_sees_her_accounts_jobs_and_that_is_logged(site: tuple[str, RealServer]) -> None:
    private, server = site
    ada = {"jobs": {"ada", "bob"}, "none": {"ada", "bob", "eve"}, "fails": {"ada"}}[private]
    eve = {"jobs": {"eve"}, "none": {"ada", "bob", "eve"}, "fails": {"eve"}}[private]
    assert (seen(server, "user:ada"), seen(server, "user:eve")) == (ada, eve)
    lines = [json.loads(line) for line in server.looks.splitlines()]
    assert {(line["who"], line["as"]) for line in lines} == ({("ada", "coordinator")} if private == "jobs" else set())
