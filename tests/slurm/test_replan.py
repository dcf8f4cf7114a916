"""vispa-green replan on the real Slurm: a waiting job follows the forecast, and only its own plan is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab.cluster import Cluster
from lab.privilege import CONFINED
from lab.processes import wait_until

pytestmark = pytest.mark.slurm

BIN = Path(sys.executable).parent
HOUR = timedelta(hours=1)
SQUEUE = ("squeue", "-h", "-a", "-t", "all", "-O", "JobID:|,State:|,EligibleTime:|,Reason:|")


class Site:
    """A grid by the hour, green at one of them, with gsbatch and replan beside the shared Slurm."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.config, self.csv = folder / "config.toml", folder / "grid.csv"
        self.began = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the test's own clock
        self.ledger = folder / "ledger.sqlite"
        self.configure()

    def configure(self, more: str = "") -> None:
        self.config.write_text(
            f'[ledger]\nurl = "sqlite://{self.ledger}"\n[grid]\nproviders = ["csv"]\nrefresh_s = 0.001\n'
            f'[grid.csv]\npath = "{self.csv}"\n{more}'
        )

    def green_in(self, hours: int, gco2: int = 100) -> None:
        """Write a forecast: 400 g/kWh but for one hour, which begins in so many."""
        lines = ["start_utc,renewable_share_pct,gco2_per_kwh,kind"]
        for hour in range(-1, 20):
            number = gco2 if hour == hours else 400
            lines.append(f"{self.began + hour * HOUR:%Y-%m-%dT%H:%M:%SZ},{100 - number / 8},{number},forecast")
        self.csv.write_text("\n".join(lines) + "\n")

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        foreign = ("SLURM", "SBATCH", "VISPA_GREEN")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment |= self.cluster.environment
        environment |= {"PATH": f"{BIN}:{environment['PATH']}", "VISPA_GREEN_CONFIG": str(self.config)}
        environment |= {"VISPA_GREEN_STATE": str(self.folder / "state")} | variables
        return subprocess.run(
            words, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def submit(self, *words: str) -> str:
        wrapped = ("-t", "60", "-o", "/dev/null", "--wrap", "sleep 60")
        done = self.run("gsbatch", "--parsable", "--green-max-delay=10h", *words, *wrapped)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def replan(self, *words: str) -> dict[str, dict[str, Any]]:
        done = self.run("vispa-green", "replan", "--json", *words)
        assert done.returncode == 0, done.stderr
        return {job["job_id"]: job for job in json.loads(done.stdout)["jobs"]}

    def queue(self) -> dict[str, list[str]]:
        """Return state, begin and reason by job."""
        shown = self.run(*SQUEUE, SLURM_TIME_FORMAT="%s").stdout
        return {row[0]: row[1:] for row in (line.split("|") for line in shown.splitlines())}

    def begins_in(self, job_id: str) -> float:
        """Return after how many hours of the test's grid a job begins."""
        begin = datetime.fromtimestamp(int(self.queue()[job_id][1]), UTC)
        return (begin - self.began) / HOUR


@pytest.fixture
def site(slurm_cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    tmp_path.chmod(0o755)
    made = Site(slurm_cluster, tmp_path)
    made.green_in(3)
    yield made
    slurm_cluster.run("scancel", "--me", check=False)


def about(hours: float) -> object:
    return pytest.approx(hours, abs=10 / 3600)


def test_a_waiting_job_follows_the_forecast_and_stays_where_it_does_not_change(site: Site) -> None:
    job = site.submit()
    assert site.begins_in(job) == about(3)
    assert not site.replan()[job]["moved"]
    site.green_in(6, gco2=99)
    assert not site.replan("--dry-run")[job]["moved"]
    assert site.begins_in(job) == about(3)
    moved = site.replan()[job]
    assert (moved["moved"], moved["forecast_mean"], moved["forecast_mean_at_new_start"]) == (True, 400, 99)
    assert site.begins_in(job) == about(6)
    again = site.run("vispa-green", "replan", job)
    assert f"job {job}: stays at" in again.stdout
    site.green_in(2, gco2=50)
    assert site.replan()[job]["moved"]
    assert site.begins_in(job) == about(2)

    (told,) = json.loads(site.run("vispa-green", "green", job, "--json").stdout)["jobs"]
    assert [move["forecast_mean_to"] for move in told["moves"]] == [99, 50]
    starts = [told["planned_start"], told["moves"][0]["to"], told["last_planned_start"]]
    hours = [(datetime.fromisoformat(start) - site.began) / HOUR for start in starts]
    assert hours == [about(3), about(6), about(2)]
    assert "moved 2 times, last to" in site.run("vispa-green", "green", job).stdout


def test_a_job_whose_best_time_is_now_starts(site: Site) -> None:
    job = site.submit()
    site.green_in(0, gco2=50)
    assert site.replan()[job]["moved"]
    assert wait_until(lambda: site.queue()[job][0] == "RUNNING", timeout_s=30), site.queue()
    assert "it has started" in site.replan(job)[job]["reason"]
    assert site.replan() == {}


def test_what_others_decided_is_left_alone(site: Site) -> None:
    """Changed by hand, held, cancelled: each stays as it is, and says so; what waits for its time beside it moves."""
    by_hand, held, cancelled, dependent, plain = (
        site.submit(*words) for words in ((), (), (), ("-d", "singleton", "-J", "x"), ())
    )
    site.cluster.run("scontrol", "update", f"JobId={by_hand}", "StartTime=now+5hours")
    site.cluster.run("scontrol", "hold", held)
    site.cluster.run("scancel", cancelled)
    site.green_in(1, gco2=50)
    before = site.begins_in(by_hand)
    found = site.replan()
    assert {job for job, record in found.items() if record["moved"]} == {dependent, plain}
    assert "somebody changed it" in found[by_hand]["reason"]
    assert "JobHeld" in found[held]["reason"]
    assert cancelled not in found
    assert site.begins_in(by_hand) == before
    assert site.begins_in(held) == about(3)
    assert site.begins_in(plain) == site.begins_in(dependent) == about(1)


def test_an_array_and_a_het_job_move_as_one(site: Site) -> None:
    array, het = site.submit("-a", "1-3"), site.submit("-n1", ":", "-n2")
    site.green_in(5, gco2=50)
    found = site.replan()
    assert (found[array]["moved"], found[het]["moved"]) == (True, True)
    begins = [site.begins_in(job) for job in (array, het, str(int(het) + 1))]
    assert begins == [about(5)] * 3
    site.cluster.run("scontrol", "update", f"JobId={array}_2", "StartTime=now+2hours")
    site.green_in(1, gco2=40)
    assert "somebody changed one" in site.replan()[array]["reason"]
    assert site.begins_in(array) == about(5)


def test_an_unreachable_grid_moves_nothing(site: Site) -> None:
    job = site.submit()
    site.csv.unlink()
    assert not site.replan()[job]["moved"], "what is known of it is the forecast of the submission"
    site.ledger.rename(site.folder / "away")
    assert not site.replan()[job]["moved"]
    assert site.begins_in(job) == about(3)


def test_what_cannot_be_kept_is_not_moved(site: Site) -> None:
    """The start stays as it is, and why is a sentence."""
    job = site.submit()
    site.green_in(5, gco2=50)
    spool = site.folder / "state/promises"
    spool.chmod(0o500)
    done = site.run(*CONFINED, str(BIN / "vispa-green"), "replan")
    spool.chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")
    assert "not moved: that could not be kept" in done.stdout
    assert site.begins_in(job) == about(3)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_nobody_delays_anothers_job(site: Site) -> None:
    """Bob hands in the promise of my job with a later end, a promise for a job of mine without one, and a move."""
    bob, drop = 64_001, site.folder / "drop"
    drop.mkdir()
    drop.chmod(0o1733)
    site.configure(f'[promises]\nspool_dir = "{drop}"\n')
    job = site.submit()
    plain = site.run(
        "sbatch", "--parsable", "--begin=now+3hours", "-t", "60", "-o", "/dev/null", "--wrap", "sleep 60"
    )
    (mine,) = drop.iterdir()
    promise = json.loads(mine.read_text())
    later = promise["finish_by"] + 72 * 3600 * 10**6
    before, after = promise["planned_start"], promise["planned_start"] + 3600 * 10**6
    move = {name: promise[name] for name in ("job_id", "submitted", "quantity", "reason")}
    move |= {"kind": "move", "moved_at": before, "before": before, "after": after, "mean_before": 9, "mean_after": 1}
    forged = [promise | {"finish_by": later, "mean": 500.0}, promise | {"job_id": plain.stdout.strip()}, move]
    for number, note in enumerate(forged):
        path = drop / f"0-{number}.json"
        path.write_text(json.dumps(note))
        os.chown(path, bob, bob)
    lines = site.csv.read_text().splitlines()
    greenest = f"{site.began + 15 * HOUR:%Y-%m-%dT%H:%M:%SZ},99,10,forecast"
    site.csv.write_text("\n".join(greenest if line[:20] == greenest[:20] else line for line in lines) + "\n")
    done = site.run("vispa-green", "replan", "-a", "--json")
    told = json.loads(done.stdout)
    assert [(record["job_id"], record["moved"]) for record in told["jobs"]] == [(job, False)], done
    assert sum(f"a note of {bob}, on job" in warning for warning in told["warnings"]) == 3
    assert site.begins_in(job) == about(3)
    assert site.begins_in(plain.stdout.strip()) == about(3)
    assert list(drop.iterdir()) == []
    site.green_in(5, gco2=10)
    assert site.replan("-a")[job]["moved"], "as promised"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_what_slurm_refuses_is_a_sentence(site: Site) -> None:
    """Slurm is asked to move root's job by somebody else."""
    job = site.submit()
    site.green_in(5, gco2=50)
    (site.folder / "bin").mkdir()
    program = site.folder / "bin/scontrol"
    program.write_text('#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/scontrol "$@"\n')
    program.chmod(0o755)
    refused = site.run(str(BIN / "vispa-green"), "replan", PATH=f"{program.parent}:{os.environ['PATH']}")
    assert (refused.returncode, refused.stderr) == (0, "")
    assert "not moved: scontrol failed" in refused.stdout
    assert "Invalid user id" in refused.stdout
    assert site.begins_in(job) == about(3)
    assert site.replan(job)[job]["moved"], "root may"


def test_many_at_once_harm_nothing(site: Site) -> None:
    """A cron job and users: the start is where one of them put it, and it is known as ours afterwards."""
    job = site.submit()
    site.green_in(5, gco2=50)
    callers = [threading.Thread(target=site.replan) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert site.begins_in(job) == about(5)
    assert site.replan()[job]["reason"].startswith("no start is greener")


def test_a_queue_aware_plan_is_asked_again_with_the_queue(site: Site) -> None:
    """Two jobs as wide as the machine: each moves as if itself were not in the queue, and both come to rest.

    A move of one is news for the other, so one more call may change something; but each only ever gets greener.
    """
    site.configure('[green]\npolicy = "queue_aware"\n')
    site.green_in(9, gco2=300)
    jobs = [site.submit("-N2", "-n16") for _ in range(2)]
    site.green_in(3, gco2=10)
    assert site.replan()[jobs[0]]["moved"]
    assert site.begins_in(jobs[0]) == pytest.approx(3, abs=0.2)
    calls = [site.replan() for _ in range(5)]
    moved = [[record["moved"] for record in call.values()] for call in calls]
    assert moved[-1] == [False, False], calls
    assert all(site.begins_in(job) < 9 for job in jobs)
