"""One contract for every way to ask Slurm: the same jobs are the same facts and the same queue."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import Cluster as Lab
from lab.cluster import ClusterSpec
from lab.processes import wait_until

from vispa_green import host
from vispa_green.clusters import CLUSTERS
from vispa_green.errors import ConfigError, SlurmError
from vispa_green.ledgers import open_ledger
from vispa_green.model import Cluster, JobFact, QueueEntry, Selection
from vispa_green.slurm.commands import version

pytestmark = pytest.mark.slurm

Differences = Mapping[str, object]
"""Fields, and what stands in them."""

NOT_TOLD: Mapping[tuple[str, str], Differences] = {
    ("slurmrestd", "22.05"): {"exit_code": ""},  # it calls every code 0
}
"""The fields of a fact that a source does not know, on a release of Slurm, and what stands there instead."""

NOT_TOLD_OF_THE_QUEUE: Mapping[tuple[str, str], Differences] = {
    ("slurmrestd", "22.05"): {"cpus_per_task": None},  # it says null, also where it was asked for
}
"""The same of an entry of the queue."""

NAME = 'a|b "c" \x1f ü\n7|7|root'
COMMENT = "line\nJobId=1 UserId=root(0) {\"jobs\": [1]} \\ 'x'"
SUBMIT = ("sbatch", "--parsable", "-o", "/dev/null", "-D", "/tmp")


@pytest.fixture(scope="module")
def lab(slurm_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster of its own: its queue holds what this file puts there, and nothing else."""
    root = Path(tempfile.mkdtemp(dir="/tmp", prefix="slurm-"))
    root.chmod(0o755)
    with Lab(ClusterSpec(root=root, nodes=2, cpus=8, gpus=1)) as cluster, pytest.MonkeyPatch.context() as environment:
        for name, value in cluster.environment.items():
            environment.setenv(name, value)
        yield cluster
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def token_file(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token of whoever runs this, as ``scontrol token`` prints it."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    file = tmp_path_factory.mktemp("token") / "token"
    file.touch(0o600)
    file.write_text(lab.run("scontrol", "token", f"username={user}", "lifespan=36000").stdout)
    return file


def made(name: str, lab: Lab, token_file: Path, url: str = "") -> Cluster:
    if name == "slurmrestd":
        user = pwd.getpwuid(os.geteuid()).pw_name
        table = {"url": url or lab.rest_addresses[0], "user": user, "token_file": str(token_file)}
        return CLUSTERS.make(name, None, {name: table})
    try:
        return CLUSTERS.make(name, None, {})
    except ConfigError as error:
        pytest.skip(f"{name} cannot be used here: {error}")


@pytest.fixture(params=["slurmrestd", "pyslurm"])
def other(request: pytest.FixtureRequest, lab: Lab, token_file: Path) -> tuple[str, Cluster]:
    """Every source but text, by name; text is what they are compared with."""
    return request.param, made(request.param, lab, token_file)


@pytest.fixture
def text(lab: Lab, token_file: Path) -> Cluster:
    return made("text", lab, token_file)


@pytest.fixture(scope="module")
def jobs(lab: Lab) -> dict[str, str]:
    """One of each fate, by name; what is still to come stays as it is while the tests run."""

    def submitted(*words: str) -> str:
        return lab.run(*SUBMIT, *words).stdout.strip()

    known = {
        "array": submitted("--array=0-2", "-J", NAME, f"--comment={COMMENT}", "--wrap", "exit $SLURM_ARRAY_TASK_ID"),
        "het": submitted("-n1", "-J", "het", ":", "-n2", "--wrap", "srun true"),
        "failed": submitted("-t", "10", "--mem=300", "--wckey=tag", "--wrap", "exit 3"),
        "two nodes": submitted("-N2", "--gres=gpu:1", "-c3", "--wrap", "srun -n2 true"),
        "high code": submitted("--wrap", "exit 200"),
        "signalled": submitted("--wrap", "kill -9 $$"),
        "held array": submitted("--array=1-5,9%2", "-H", "--wrap", "true"),
        "later": submitted("--begin=now+2hours", "-J", NAME, f"--comment={COMMENT}", "-t", "1-0", "--wrap", "true"),
        "cancelled": submitted("--begin=now+1hour", "-n3", "--wrap", "true"),
        "requeued": submitted("--requeue", "-J", "again", "--wrap", "sleep 1000"),
        "running": submitted("-n3", "-c2", "--wrap", "sleep 1000"),
    }
    lab.run("scancel", known["cancelled"])
    lab.run("scancel", f"{known['held array']}_3")

    def state(job: str) -> str:
        return lab.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").stdout.strip()

    assert wait_until(lambda: state(known["requeued"]) == "RUNNING", timeout_s=60)
    assert lab.run("scontrol", "requeue", known["requeued"]).returncode == 0
    assert wait_until(lambda: state(known["requeued"]) == "PENDING", timeout_s=60)
    assert wait_until(lambda: state(known["running"]) == "RUNNING", timeout_s=60)
    ended = ("array", "het", "failed", "two nodes", "high code", "signalled")
    lab.wait([known[name] for name in ended], timeout_s=90)
    lab.run("scontrol", "update", f"JobId={known['requeued']}", "StartTime=now+1hour")  # not again by itself
    shown = {f"{known['array']}_{task}" for task in range(3)} | {known["requeued"], known["running"], known["later"]}

    def recorded() -> set[str]:
        return set(lab.run("sacct", "-a", "-X", "-n", "-P", "-E", "now+3hours", "-o", "JobID").stdout.split())

    # slurmdbd learns a moment later which task of an array that was
    assert wait_until(lambda: shown <= recorded(), timeout_s=60), shown - recorded()
    return known


def differing(table: Mapping[tuple[str, str], Differences], name: str) -> dict[str, Any]:
    """Return what a source does not tell on this Slurm."""
    release = ".".join(version(timeout_s=60).split(".")[:2])
    return dict(table.get((name, release), {}))


def told(name: str, fact: JobFact) -> dict[str, Any]:
    """Return a fact as a source can tell it on this Slurm."""
    return asdict(fact) | differing(NOT_TOLD, name)


def settled(cluster: Cluster, jobs: Mapping[str, str]) -> dict[str, JobFact]:
    """Return all facts by job, once accounting has heard of everything."""
    now = host.now().utc
    answer = cluster.finished_or_changed(now - timedelta(hours=1), now + timedelta(hours=3))
    assert answer.faults == ()
    found = {fact.job_id: fact for fact in answer.records}
    assert len(found) == len(answer.records)
    return found


def test_the_same_jobs_are_the_same_facts(
    text: Cluster, other: tuple[str, Cluster], jobs: dict[str, str], lab: Lab
) -> None:
    name, asked = other

    def are_same() -> bool:
        """A running job's steps and elapsed time change between two questions."""
        by_text, found = settled(text, jobs), settled(asked, jobs)
        mine = {job: told(name, fact) | {"elapsed": fact.end and fact.elapsed} for job, fact in by_text.items()}
        his = {job: asdict(fact) | {"elapsed": fact.end and fact.elapsed} for job, fact in found.items()}
        seen.append((mine, his))
        return mine == his

    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
    assert wait_until(are_same, timeout_s=20), [
        (job, field, mine.get(job, {}).get(field), his.get(job, {}).get(field))
        for mine, his in seen[-1:]
        for job in sorted({*mine, *his})
        for field in (one.name for one in fields(JobFact))
        if mine.get(job, {}).get(field) != his.get(job, {}).get(field)
    ]
    facts = {fact["display_id"]: fact for fact in seen[-1][1].values()}
    array = jobs["array"]
    assert {f"{array}_{n}": facts[f"{array}_{n}"]["state"] for n in range(3)} == {
        f"{array}_0": "COMPLETED", f"{array}_1": "FAILED", f"{array}_2": "FAILED",
    }  # fmt: skip
    assert facts[f"{array}_1"]["comment"] == COMMENT
    assert {f"{jobs['het']}+0", f"{jobs['het']}+1"} <= set(facts)
    assert facts[jobs["failed"]]["wckey"] == "tag"
    assert facts[jobs["two nodes"]]["nodes"] == lab.node_names
    assert facts[jobs["cancelled"]]["state"] == "CANCELLED"
    assert facts[jobs["requeued"]]["state"] == "PENDING"
    assert facts[jobs["running"]]["end"] is None


def test_what_a_source_does_not_know_is_just_what_the_table_says(
    text: Cluster, other: tuple[str, Cluster], jobs: dict[str, str]
) -> None:
    """A field in the table that the source does tell is to be taken out of it."""
    name, asked = other
    job = jobs["failed"]
    answers = text.jobs([job]), asked.jobs([job])
    assert [answer.faults for answer in answers] == [(), ()]
    by_text, found = (answer.records[0] for answer in answers)
    differences = {
        one.name: getattr(found, one.name)
        for one in fields(JobFact)
        if getattr(by_text, one.name) != getattr(found, one.name)
    }
    assert differences == differing(NOT_TOLD, name)
    assert (by_text.exit_code, by_text.state) == ("3:0", "FAILED")


def test_jobs_are_asked_for_by_number_whenever_they_were(
    text: Cluster, other: tuple[str, Cluster], jobs: dict[str, str]
) -> None:
    name, asked = other
    chosen = [jobs["cancelled"], jobs["failed"], jobs["requeued"], "4000000"]
    mine = {fact.job_id: told(name, fact) for fact in text.jobs(chosen).records}
    assert {fact.job_id: asdict(fact) for fact in asked.jobs(chosen).records} == mine
    assert set(mine) == set(chosen[:3])
    assert asked.jobs([]).records == text.jobs([]).records == []


def test_the_queue_is_the_same_in_the_same_order(
    text: Cluster, other: tuple[str, Cluster], jobs: dict[str, str]
) -> None:
    name, asked = other
    not_told = differing(NOT_TOLD_OF_THE_QUEUE, name)

    def rounded(entries: list[QueueEntry]) -> list[dict[str, Any]]:
        return [asdict(entry) | {"used": None} | not_told for entry in entries]

    def both() -> tuple[list[QueueEntry], list[QueueEntry]]:
        at = host.now().utc
        mine, his = text.queue(at), asked.queue(at)
        assert mine.faults == his.faults == ()
        return mine.records, his.records

    def are_same() -> bool:
        """Why a job waits may change between two questions."""
        seen.append(both())
        return rounded(seen[-1][0]) == rounded(seen[-1][1])

    seen: list[tuple[list[QueueEntry], list[QueueEntry]]] = []
    assert wait_until(are_same, timeout_s=20), seen[-1]
    mine, his = seen[-1]
    for one, same in zip(mine, his, strict=True):
        assert abs(one.used - same.used) <= timedelta(seconds=3)
    entries = {entry.job_id: entry for entry in his}
    running = next(entry for entry in mine if entry.job_id == jobs["running"])
    differences = {
        one.name: getattr(entries[running.job_id], one.name)
        for one in fields(QueueEntry)
        if one.name != "used" and getattr(entries[running.job_id], one.name) != getattr(running, one.name)
    }
    assert differences == not_told
    assert entries[jobs["running"]].used > timedelta(0)
    assert entries[jobs["held array"]].display_id == f"{jobs['held array']}_[1-2,4-5,9%2]"
    assert (entries[jobs["later"]].comment, entries[jobs["later"]].time_limit) == (COMMENT, timedelta(days=1))
    assert jobs["failed"] not in entries


def test_a_span_holds_what_was_there_at_some_time_in_it(
    text: Cluster, other: tuple[str, Cluster], jobs: dict[str, str]
) -> None:
    name, asked = other
    start = settled(text, jobs)[jobs["failed"]].submit
    assert start is not None
    for since, until in ((-3600, -1800), (-3600, 1), (0, 2), (5, 3600)):
        span = start + timedelta(seconds=since), start + timedelta(seconds=until)
        mine = {fact.job_id for fact in text.finished_or_changed(*span).records}
        assert {fact.job_id for fact in asked.finished_or_changed(*span).records} == mine, (name, since, until)


def test_who_coordinates_an_account_is_told(text: Cluster, other: tuple[str, Cluster], lab: Lab) -> None:
    """Only of accounts that have coordinators, be they their parents'."""
    _, asked = other
    assert text.coordinators() == asked.coordinators() == {}
    lab.run("sacctmgr", "-i", "add", "user", "daemon", "Account=lab")
    lab.run("sacctmgr", "-i", "add", "account", "below", "parent=lab")
    lab.run("sacctmgr", "-i", "add", "coordinator", "Account=lab", "Names=root,daemon")
    try:
        both = frozenset({"root", "daemon"})
        assert text.coordinators() == asked.coordinators() == {"lab": both, "below": both}
    finally:
        lab.run("sacctmgr", "-i", "delete", "account", "below")
        lab.run("sacctmgr", "-i", "delete", "coordinator", "Account=lab", "Names=root,daemon")


def test_both_doors_of_the_daemon_tell_the_same(lab: Lab, token_file: Path, jobs: dict[str, str]) -> None:
    over_http, by_socket = (made("slurmrestd", lab, token_file, url) for url in lab.rest_addresses)
    assert over_http.jobs([jobs["failed"]]) == by_socket.jobs([jobs["failed"]])


def test_only_a_good_token_opens_it_and_only_from_a_closed_file(lab: Lab, token_file: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    forged.touch(0o600)
    forged.write_text(token_file.read_text().strip()[:-3] + "AAA")
    now = host.now().utc
    with pytest.raises(SlurmError, match="scontrol token"):
        made("slurmrestd", lab, forged).queue(now)
    forged.write_text(token_file.read_text())
    forged.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        made("slurmrestd", lab, forged).queue(now)


def test_a_door_that_is_shut_is_an_error_of_ours(lab: Lab, token_file: Path) -> None:
    for url in ("http://127.0.0.1:9", "unix:///nowhere/rest.s"):
        with pytest.raises(SlurmError, match="cannot be asked"):
            made("slurmrestd", lab, token_file, url).coordinators()


def test_an_import_fills_a_ledger_with_what_either_source_tells(
    lab: Lab, token_file: Path, jobs: dict[str, str], tmp_path: Path
) -> None:
    """Through the command, in another time zone; one job is cancelled between two imports, and never ran."""
    dropped = lab.run(*SUBMIT, "--begin=now+1hour", "--wrap", "true").stdout.strip()
    for source in SOURCES:
        imported(source, lab, token_file, tmp_path)
    lab.run("scancel", dropped)

    def is_settled() -> bool:
        return (
            f"CANCELLED by {os.getuid()}|1000M"
            in lab.run("sacct", "-X", "-n", "-P", "-j", dropped, "-o", "State,ReqMem").stdout
        )

    # accounting hears of the end first, and a moment later what the job had asked for
    assert wait_until(is_settled, timeout_s=30)
    rows = {source: imported(source, lab, token_file, tmp_path) for source in SOURCES}
    assert rows["text"] == rows["slurmrestd"]
    assert {jobs["later"], jobs["failed"], jobs["held array"]} <= set(rows["text"])
    assert rows["text"][dropped]["state"] == "CANCELLED"


SOURCES = ("text", "slurmrestd")


def imported(source: str, lab: Lab, token_file: Path, directory: Path) -> dict[str, dict[str, Any]]:
    """Import once, and return what the ledger has then of jobs that do not run, as the source can tell it."""
    config, url = directory / f"{source}.toml", f"sqlite://{directory / source}.sqlite"
    config.write_text(f"""
        [cluster]
        name = "lab"
        [ledger]
        url = "{url}"
        [slurm]
        source = "{source}"
        [slurm.slurmrestd]
        url = "{lab.rest_addresses[1]}"
        user = "{pwd.getpwuid(os.geteuid()).pw_name}"
        token_file = "{token_file}"
        """)
    words = ("-m", "vispa_green", "slurm", "sync", "--since", "now-2hours", "--json", "--config", str(config))
    environment = {**os.environ, "TZ": "Asia/Kolkata"}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["cluster"], said["warnings"]) == ("lab", [])
    ledger = open_ledger(url, cluster="lab")
    known = [fact for _, fact in ledger.facts.facts(Selection())]
    ledger.close()
    return {fact.job_id: told("slurmrestd", fact) for fact in known if fact.end is not None or fact.start is None}


@pytest.mark.parametrize("end", [("scancel",), ("scontrol", "requeue")])
def test_a_job_that_is_cleaned_up_is_completing_to_both(
    end: tuple[str, ...], text: Cluster, other: tuple[str, Cluster], lab: Lab
) -> None:
    """It counts as running still: its CPUs are not free."""
    name, asked = other
    not_told = differing(NOT_TOLD_OF_THE_QUEUE, name)
    job = lab.run(*SUBMIT, "-n2", "--wrap", "trap '' TERM; while :; do sleep 1; done").stdout.strip()

    def both() -> list[dict[str, Any]]:
        at = host.now().utc
        seen = [entry for one in (text, asked) for entry in one.queue(at).records if entry.job_id == job]
        return [asdict(entry) | not_told for entry in seen]

    def are_both(state: str) -> bool:
        seen.append(both())
        return [entry["state"] for entry in seen[-1]] == [state, state]

    seen: list[list[dict[str, Any]]] = []
    assert wait_until(lambda: are_both("RUNNING"), timeout_s=60), seen[-1]
    time.sleep(2)  # until it has set its trap
    lab.run(*end, job)
    try:
        assert wait_until(lambda: are_both("COMPLETING"), timeout_s=20), seen
        mine, his = seen[-1]
        assert mine == his
    finally:
        lab.run("scancel", job)
        assert wait_until(lambda: not both(), timeout_s=60), both()
