"""What commands show an ordinary user of others' jobs: nothing, unless the site or Slurm says otherwise."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from lab.privilege import AS_NOBODY
from lab.story import Story

from tests.contracts.real_server import RealServer, served
from vispa_green.ledgers import open_ledger
from vispa_green.model import Component, JobFact, Promise, Quantity

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")

START = datetime(2026, 11, 17, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOBODY_UID, OTHER_UID, UNTOLD_UID = 65534, 0, 54321
SECRETS = ("secret-fit", "secret-lab", "SECRET", "777", "888.", "54321")
"""Names, accounts and numbers of others: of job 777, which is root's, and of 888, of which only agents know."""


def fact(job_id: str, user: str, uid: int, name: str, account: str) -> JobFact:
    return JobFact(
        job_id, job_id, user, account, "main", name, "COMPLETED", ("n1",), START, START, START, START + HOUR, None, 2,
        uid=uid, project=f"p-{name}",
    )  # fmt: skip


def promise(job_id: str, user: str, cluster: str) -> Promise:
    co2 = Quantity.CARBON_INTENSITY
    return Promise(
        job_id, user, START, START, HOUR, None, co2, 200.0, 300.0, "best_mean", f"SECRET of {user}", cluster
    )


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that is open to all users, which pytest's are not."""
    with TemporaryDirectory(dir="/tmp") as directory:
        place = Path(directory)
        place.chmod(0o777)
        yield place


class ServedStory(Story):
    """The same, kept by a real server; its configuration is that of whoever asks."""

    def __init__(self, directory: Path, server: RealServer) -> None:
        self._server = server
        super().__init__(directory, cluster="lab")

    @property
    def url(self) -> str:
        return f"unix://{self._server.socket}"


@pytest.fixture
def told(open_place: Path) -> Story:
    """The story in a file, which its group may read."""
    story = Story(open_place)
    (open_place / "ledger.sqlite").chmod(0o644)
    return tell(story)


@pytest.fixture(params=["file", "server"])
def kept(request: pytest.FixtureRequest, open_place: Path) -> Iterator[Story]:
    """The story in a file, and at a server that tells everybody his own only."""
    if request.param == "file":
        yield request.getfixturevalue("told")
        return
    with served(more='[access]\nothers = "never"') as server:
        server.directory.chmod(0o755)
        yield tell(ServedStory(open_place, server))


def tell(story: Story) -> Story:
    """Tell of jobs of nobody's, of root's and of a third user's, all green; others' jobs are private."""
    for job, uid, energy_j in (("1", NOBODY_UID, 100), ("777", OTHER_UID, 777), ("888", UNTOLD_UID, 888)):
        story.interval(START, 3600, {Component.CPU: {job: (energy_j * 10**6, 0)}}, uid=uid, node=f"n{uid}")
    story.facts(
        fact("1", "nobody", NOBODY_UID, "my-fit", "physics"),
        fact("777", "root", OTHER_UID, "secret-fit", "secret-lab"),
    )
    story.grid(Quantity.CARBON_INTENSITY, START, [300.0, 300.0])
    ledger = open_ledger(story.url)
    for job, user in (("1", "nobody"), ("777", "root")):
        ledger.promises.append(
            replace(promise(job, user, story.cluster), reason="mine" if user == "nobody" else "SECRET")
        )
    ledger.close()
    story.configure('[access]\nothers = "never"\n')
    return story


SPAN = ("-S", "2026-11-17", "-E", "2026-11-18")
QUESTIONS = [
    ("energy", "-a", *SPAN),
    ("energy", "-a", "-l", *SPAN),
    ("energy", "-a", "-T", "--json", *SPAN),
    ("energy", "-a", "-P", "-o", "jobid,user,account,jobname,energy,wckey", *SPAN),
    ("energy", "-j", "777,888,1"),
    ("energy", "-j", "777", "--json"),
    ("energy", "-u", "root", *SPAN),
    ("energy", "-u", "54321", *SPAN),
    ("energy", "-A", "secret-lab", "-a", *SPAN),
    *(
        ("energy", "-a", "--by", by, *SPAN, *form)
        for by in ("user", "account", "project", "job", "component", "user,day", "partition", "cluster", "week")
        for form in ((), ("--json",))
    ),
    ("report", "weekly", "--week", "2026-W47", "--user", "root"),
    ("report", "weekly", "--week", "2026-W47", "--user", "root", "--json"),
    ("green",),
    ("green", "-a", "--json"),
    ("green", "777"),
]


def words_of(done: object) -> str:
    """Return what a command says, without the times it says it for."""
    text = f"{getattr(done, 'stdout', '')}{getattr(done, 'stderr', '')}"
    return re.sub(r"2026-\d\d-\d\d|3 600 000", "", text)


@pytest.mark.parametrize("asked", QUESTIONS, ids=" ".join)
def test_nothing_of_others_is_told(kept: Story, asked: Sequence[str]) -> None:
    done = kept.run(*asked, before=AS_NOBODY)
    said = words_of(done)
    assert "Traceback" not in said
    named = {word for argument in asked for word in argument.split(",")}
    assert [secret for secret in SECRETS if secret in said and secret not in named] == []
    assert "777 J" not in said
    assert "777000000" not in said


def test_his_own_is_told(kept: Story) -> None:
    for asked in (("energy", "-a", *SPAN), ("energy", *SPAN), ("energy", "-j", "1,777"), ("green", "-a")):
        assert re.search(r"^(1 |job 1,)", kept.run(*asked, before=AS_NOBODY).stdout, re.MULTILINE)
    (row,) = json.loads(kept.run("energy", "-a", "--by", "user", "--json", *SPAN, before=AS_NOBODY).stdout)["totals"]
    assert (row["user"], row["energy_uj"], row["jobs"]) == ("nobody", 100_000_000, 1)
    (green,) = json.loads(kept.run("green", "-a", "--json", before=AS_NOBODY).stdout)["jobs"]
    assert (green["job_id"], green["energy_uj"]) == ("1", 100_000_000)


def test_the_page_of_an_ordinary_user_names_no_job_of_others(kept: Story) -> None:
    page = kept.directory / "page.html"
    done = kept.run("report", "page", "--out", str(page), *SPAN, before=AS_NOBODY)
    assert done.returncode == 0, done.stderr
    said = re.sub(r"<svg.*?</svg>", "", page.read_text(), flags=re.DOTALL)
    assert "my-fit" in said
    assert not [
        secret
        for secret in ("secret-fit", "secret-lab", "SECRET", "job 777", "job 888")
        if secret in page.read_text()
    ]
    assert not re.search(r">(777|888)<", said)


def test_root_sees_everybody(kept: Story) -> None:
    everybody = kept.run("energy", "-a", "-l", *SPAN).stdout
    assert [line.split()[0] for line in everybody.splitlines()[2:5]] == ["1", "777", "888"]
    rows = json.loads(kept.run("energy", "-a", "--by", "user", "--json", *SPAN).stdout)["totals"]
    assert {row["user"]: row["energy_uj"] for row in rows} == {
        "nobody": 100_000_000, "root": 777_000_000, "54321": 888_000_000,
    }  # fmt: skip
    assert {job["job_id"] for job in json.loads(kept.run("green", "-a", "--json").stdout)["jobs"]} == {"1", "777"}
    assert "777 J" in kept.run("report", "weekly", "--week", "2026-W47", "--user", "root").stdout


def users_seen(told: Story, path: Path) -> set[str]:
    done = told.run(
        "energy", "-a", "--by", "user", "--json", *SPAN, before=AS_NOBODY, PATH=f"{path}:{os.environ['PATH']}"
    )
    assert done.returncode == 0, done.stderr
    return {row["user"] for row in json.loads(done.stdout)["totals"]}


@pytest.mark.parametrize(
    ("private", "coordinated", "seen"),
    [
        ("none", "", {"nobody", "root", "54321"}),
        ("jobs,usage", "", {"nobody"}),
        ("accounts,nodes", "", {"nobody", "root", "54321"}),
        ("jobs", "nobody", {"nobody", "root"}),
        ("jobs", "nobody2,somebody", {"nobody"}),
    ],
)
def test_slurms_private_data_decides_by_default(told: Story, private: str, coordinated: str, seen: set[str]) -> None:
    """Programs that print what Slurm's print; a coordinator sees the jobs of his account."""
    programs = told.directory / "bin"
    programs.mkdir(mode=0o755)
    accounts = f"case \"$*\" in *account*) echo 'secret-lab|{coordinated}';; *) echo 'PrivateData = none';; esac"
    texts = {
        "scontrol": f"echo 'PrivateData             = {private}'",
        "sacctmgr": accounts,
        "sacct": "",
        "squeue": "",
    }
    for name, text in texts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    told.configure("")
    told.config.write_text(told.config.read_text().replace("enabled = false", "enabled = true"))
    assert users_seen(told, programs) == seen


def test_where_slurm_does_not_answer_nothing_of_others_is_shown(told: Story) -> None:
    programs = told.directory / "bin"
    programs.mkdir(mode=0o755)
    for name in ("scontrol", "sacctmgr", "sacct", "squeue"):
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
        (programs / name).chmod(0o755)
    told.configure("")
    told.config.write_text(told.config.read_text().replace("enabled = false", "enabled = true"))
    assert users_seen(told, programs) == {"nobody"}


def test_an_admin_by_configuration_sees_everybody(told: Story) -> None:
    told.configure('[access]\nothers = "never"\nadmins = ["nobody"]\n')
    assert users_seen(told, told.directory) == {"nobody", "root", "54321"}


def test_an_ordinary_user_tags_his_own_through_the_drop_directory(told: Story) -> None:
    refused = told.run("tag", "-j", "1", "mine", before=AS_NOBODY)
    assert (refused.returncode, "[promises] spool_dir" in refused.stderr) == (1, True)
    drop = told.directory / "drop"
    drop.mkdir()
    drop.chmod(0o1733)
    told.configure(f'[access]\nothers = "never"\n[promises]\nspool_dir = "{drop}"\n')
    done = told.run("tag", "-j", "1", "mine", before=AS_NOBODY)
    assert (done.returncode, "collected" in done.stdout) == (0, True)
    others = told.run("tag", "-j", "777", "stolen", before=AS_NOBODY)
    assert (others.returncode, "of yours" in others.stderr) == (1, True)
    assert [path.stat().st_uid for path in drop.iterdir()] == [65534]
    history = told.run("tag", "-j", "1,777", before=AS_NOBODY)
    assert history.stdout == "No tags.\n"
    assert told.run("energy", "-a", *SPAN).returncode == 0
