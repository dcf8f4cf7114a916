"""End to end: a real Slurm, agents, ledger, grid, a green job and the command line, as in `make demo`."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from demo.__main__ import submit, wait
from demo.demo_site import DemoSite

from vispa_green.ledgers import open_ledger
from vispa_green.model import Selection

pytestmark = pytest.mark.slurm


@dataclass(frozen=True)
class Run:
    """The jobs of a finished tour by name, and the site to ask about them."""

    site: DemoSite
    ids: dict[str, str]
    states: dict[str, str]

    def ask(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.site.vispa_green(*words, "--json"))
        return answer

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {job["job_id"]: job for job in self.ask("energy", "-a")["jobs"]}


@pytest.fixture(scope="module")
def run(slurm_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="vg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        with DemoSite(directory, tmp_path_factory.mktemp("log")) as site:
            ids = submit(site)
            states = wait(site, ids)
            time.sleep(1.5)
            yield Run(site, ids, states)


def test_every_job_ends_well(run: Run) -> None:
    assert set(run.states.values()) == {"COMPLETED"}


def test_every_node_and_component_balances(run: Run) -> None:
    rows = run.ask("ledger", "balance")["nodes"]
    assert {row["node"] for row in rows} == set(run.site.cluster.node_names)
    assert {row["component"] for row in rows} == {"cpu", "dram", "gpu"}
    assert [row["difference_uj"] for row in rows] == [0] * len(rows)


def test_what_jobs_are_charged_is_what_nodes_gave_them(run: Run) -> None:
    charged = sum(job["energy_uj"] for job in run.jobs().values())
    assert charged == sum(row["jobs_uj"] for row in run.ask("ledger", "balance")["nodes"])


def test_the_two_second_job_is_not_lost(run: Run) -> None:
    job = run.jobs()[run.ids["two seconds long"]]
    assert job["cpu_energy_uj"] > 0
    assert job["coverage"] > 0.3


def test_the_job_across_two_nodes_is_charged_on_both(run: Run) -> None:
    job_id = run.ids["across two nodes"]
    assert sorted(run.jobs()[job_id]["nodes"]) == sorted(run.site.cluster.node_names)
    for node in run.site.nodes:
        truth_ns = json.loads((node.tree / "truth.json").read_text())["job_cpu_ns"][job_id]
        assert truth_ns > 0


def test_only_the_gpu_job_is_charged_for_a_gpu(run: Run) -> None:
    with_gpu = {job_id for job_id, job in run.jobs().items() if job["gpu_energy_uj"]}
    assert with_gpu == {run.ids["shares it, 2 CPUs and a GPU"]}


def test_the_agent_sees_the_cpu_time_that_the_jobs_really_used(run: Run) -> None:
    seen_ns: Counter[tuple[str, str]] = Counter()
    ledger = open_ledger(f"sqlite://{run.site.ledger}")
    for account in ledger.energy.jobs(Selection()):
        for stay in account.stays:
            seen_ns[stay.node, account.key.job_id] += stay.cpu_ns
    ledger.close()
    long_enough = [run.ids[name] for name in ("shares a node, 4 CPUs", "shares it, 2 CPUs and a GPU", "a green job")]
    for node in run.site.nodes:
        truth = json.loads((node.tree / "truth.json").read_text())["job_cpu_ns"]
        for job_id in set(long_enough) & set(truth):
            assert 0.9 * truth[job_id] <= seen_ns[node.name, job_id] <= 1.02 * truth[job_id]


def test_the_green_job_ran_in_its_window_and_the_outcome_is_stated(run: Run) -> None:
    [outcome] = run.ask("green", run.ids["a green job"])["jobs"]
    planned, actual = (datetime.fromisoformat(outcome[key]) for key in ("planned_start", "actual_start"))
    assert abs((actual - planned).total_seconds()) <= 4
    assert outcome["verdict"] == "better"


def test_the_weeks_mail_of_its_user_has_the_jobs(run: Run, tmp_path: Path) -> None:
    jobs = run.jobs()
    user = next(iter(jobs.values()))["user"]
    week = datetime.fromisoformat(next(iter(jobs.values()))["start"]).strftime("%G-W%V")
    run.site.vispa_green("report", "weekly", "--user", user, "--week", week, "--preview", str(tmp_path / "mail.eml"))
    mail = message_from_bytes((tmp_path / "mail.eml").read_bytes(), policy=policy.default)
    assert {part.get_content_type() for part in mail.walk()} >= {"text/plain", "text/html", "image/png"}


def test_the_page_stands_alone(run: Run, tmp_path: Path) -> None:
    run.site.vispa_green("report", "page", "--out", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert "<html" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
