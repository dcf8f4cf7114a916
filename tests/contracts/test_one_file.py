"""Adding one thing is adding one file: a variant of each kind, with options, from a distribution that is not ours.

The files are in ``tests/contracts/foreign``. They are installed as any distribution is, by its metadata; the laws
of their kinds are run over them, and the programs work with them, with nothing else edited.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from lab.hosttree import HostTree

from tests.contracts.foreign.foreign_cluster import write
from tests.contracts.nodes import with_processes
from tests.contracts.slurm_day import FACT
from tests.contracts.standing_in import PLACE_VARIABLE, stand_in_of
from vispa_green import host
from vispa_green.config import CONFIG_VARIABLE

FOREIGN = Path(__file__).parent / "foreign"
ROOT = Path(__file__).parents[2]
KINDS = {
    "foreign_meter": "vispa_green.meters",
    "foreign_tracker": "vispa_green.trackers",
    "foreign_grid": "vispa_green.providers",
    "foreign_policy": "vispa_green.policies",
    "foreign_model": "vispa_green.attribution",
    "foreign_idle": "vispa_green.idle_policies",
    "foreign_ledger": "vispa_green.ledgers",
    "foreign_cluster": "vispa_green.clusters",
    "foreign_credential": "vispa_green.credentials",
}
WATTS, INTERVALS = 100, 3


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a program beside which the foreign distribution is installed."""
    site = tmp_path_factory.mktemp("site")
    about = site / "vispa_green_foreign-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vispa-green-foreign\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("".join(f"[{group}]\n{name} = {name}\n" for name, group in KINDS.items()))
    path = os.pathsep.join([str(site), str(FOREIGN), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, PLACE_VARIABLE: str(FOREIGN / "stand_ins")}


@pytest.fixture(scope="module")
def outcomes(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Xml.Element]:
    """What the laws of all kinds said of the foreign variants."""
    report = tmp_path_factory.mktemp("laws") / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", "-m", "not full", "-k", " or ".join(KINDS), f"--junitxml={report}"]
    laws = [str(file) for file in sorted(Path(__file__).parent.glob("test_*.py")) if file != Path(__file__)]
    command = [sys.executable, "-m", "pytest", *options, *laws]
    done = subprocess.run(command, env=installed, cwd=ROOT, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return list(Xml.parse(report).iter("testcase"))


@pytest.mark.parametrize("name", KINDS)
def test_the_laws_of_its_kind_are_run_over_it_and_hold(name: str, outcomes: list[Xml.Element]) -> None:
    run = [case for case in outcomes if name in case.get("name", "")]
    assert len(run) >= 2
    said = [
        f"{case.get('name')}: {verdict.get('message')}\n{verdict.text}"
        for case in run
        for verdict in case
        if verdict.tag in {"failure", "error", "skipped"}
    ]
    assert not said, "\n".join(said)


def test_without_a_stand_in_one_sentence_names_the_file_to_add() -> None:
    with pytest.raises(pytest.fail.Exception) as failed:
        stand_in_of("ipmi")
    said = str(failed.value)
    assert "tests/contracts/stand_ins/ipmi.py" in said
    assert "\n" not in said


@pytest.fixture
def configured(installed: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of programs that are told to use the foreign variants, each with options."""
    node, elsewhere = HostTree(tmp_path / "host"), with_processes(tmp_path / "elsewhere")
    green_from = host.now().utc + timedelta(hours=2)
    (tmp_path / "config.toml").write_text(f"""
        [host]
        name = "n1"
        sysfs_root = "{node.sysfs_root}"
        procfs_root = "{node.procfs_root}"
        cgroup_root = "{node.cgroup_root}"
        [access]
        others = "always"
        [slurm]
        enabled = false
        source = "foreign_cluster"
        foreign_cluster.file = "{tmp_path / "jobs.pickle"}"
        [agent]
        trackers = ["foreign_tracker"]
        spool_dir = "{tmp_path / "spool"}"
        [trackers.foreign_tracker]
        procfs = "{elsewhere.procfs_root}"
        [meters]
        enabled = ["foreign_meter"]
        foreign_meter.watts = {WATTS}
        [attribution]
        model = "foreign_model"
        idle_policy = "foreign_idle"
        foreign_model.idle_part = 0.25
        [idle_policies.foreign_idle]
        largest_part = 0.5
        [ledger]
        url = "foreign_ledger://{tmp_path / "account"}"
        foreign_ledger.suffix = ".kept"
        [grid]
        providers = ["foreign_grid"]
        foreign_grid.gco2_per_kwh = 700
        foreign_grid.green_from = "{green_from.isoformat()}"
        [green]
        policy = "foreign_policy"
        foreign_policy.wait_min = 150
        """)
    return installed | {CONFIG_VARIABLE: str(tmp_path / "config.toml")}


def call(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vispa_green", *words]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def answer(environment: dict[str, str], *words: str) -> dict[str, Any]:
    done = call(environment, *words, "--json")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_the_agent_measures_and_keeps_by_what_the_files_and_their_options_say(
    configured: dict[str, str], tmp_path: Path
) -> None:
    done = call(configured, "agent", "run", "--interval", "200ms", "--samples", str(INTERVALS))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "account.kept").exists()
    [node] = answer(configured, "ledger", "balance")["nodes"]
    [job] = answer(configured, "energy", "-j", "42")["jobs"]
    # Of 100 W a quarter is idle and the job carries half of that, with three quarters of its own.
    assert node["measured_uj"] > 0
    assert job["energy_uj"] == pytest.approx(0.875 * node["measured_uj"], abs=2 * 10 * INTERVALS)
    assert job["energy_uj"] == pytest.approx(0.875 * WATTS * job["elapsed_s"] * 1e6, rel=0.01)


def test_a_plan_follows_the_foreign_policy_on_the_foreign_grid(configured: dict[str, str]) -> None:
    before = host.now().utc
    plan = answer(configured, "plan", "--duration", "1h", "--max-delay", "6h")["plan"]
    waited = datetime.fromisoformat(plan["start"]) - before
    assert plan["policy"] == "foreign_policy"
    assert timedelta(minutes=149) < waited < timedelta(minutes=160)
    assert (plan["start_now"]["mean_gco2_per_kwh"], plan["mean_gco2_per_kwh"]) == (700, 100)


def test_what_the_foreign_cluster_tells_is_taken_into_the_foreign_ledger(
    configured: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "jobs.pickle")
    said = answer(configured, "slurm", "sync", "--since", "now-1day")
    assert (said["facts"], said["warnings"]) == (2, [])  # one that failed, one that waits
    [job] = answer(configured, "energy", "-j", "41_0")["jobs"]
    assert (job["name"], job["state"], job["account"]) == (FACT.name, "FAILED", "physics")


WRONG = {
    "foreign_meter.watts =": ("foreign_meter.wats =", "[meters.foreign_meter] wats: unknown key – did you mean"),
    "idle_part = 0.25": ("idle_part = 1.25", "[attribution.foreign_model] idle_part: it has to be at most 1"),
    "foreign_cluster.file": ("foreign_cluster.fill", "[slurm.foreign_cluster] fill: unknown key – did you mean"),
    "wait_min = 150": ('wait_min = "2h"', "[green.foreign_policy] wait_min: not a whole number (got '2h')"),
    "foreign_ledger.suffix": ("foreign_lodger.suffix", "[ledger] foreign_lodger: unknown key – did you mean"),
}


@pytest.mark.parametrize("right", WRONG)
def test_a_wrong_option_is_named_with_its_table(right: str, configured: dict[str, str]) -> None:
    file = Path(configured[CONFIG_VARIABLE])
    wrong, said = WRONG[right]
    file.write_text(file.read_text().replace(right, wrong))
    done = call(configured, "doctor")
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
