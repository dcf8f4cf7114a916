"""The role on two machines with systemds of their own, head and node: a second time it changes nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from lab.machine import Machine
from lab.processes import wait_until

from tests.operations.conftest import with_hardware
from tests.operations.site import HOST

ANSIBLE = Path(__file__).parents[2] / "deploy/ansible"
INVENTORY = "[vispa_green_head]\nhead\n[vispa_green_nodes]\nhead\nn2\n"
AGENT, SERVER = "vispa-green-agent.service", "vispa-green-server.service"
OF_HEAD = {AGENT, SERVER, "vispa-green-sync.service", "vispa-green-replan.timer", "vispa-green-prune.timer"}
BY_TIMERS = {"vispa-green-prune.service": "took out 0 intervals", "vispa-green-replan.service": "No green job waits"}
UID = 642


def of_site(node: str) -> dict[str, object]:
    """What the site says of one of its machines; the node has the head's loopback."""
    return {
        "vispa_green_package": "/root/new.deb", "vispa_green_uid": UID, "vispa_green_cluster": "physics",
        "vispa_green_keep_raw_days": 30, "vispa_green_nodes_at": ["n2=127.0.0.1"],
        "vispa_green_more": HOST.replace('"n1"', f'"{node}"'),
        "vispa_green_server_more": "[slurm]\nenabled = false\n[grid]\nproviders = []\n",
    }  # fmt: skip


def bring(machine: Machine, package: Path) -> None:
    """Give a machine what is there before: its hardware, the role, the package, the head's name."""
    with_hardware(machine)
    shutil.copy(package, machine.root / "root/new.deb")
    shutil.copytree(ANSIBLE, machine.root / "root/ansible")
    (machine.root / "root/inventory").write_text(INVENTORY)
    (machine.root / "etc/hosts").write_text("127.0.0.1 localhost head\n")


def play(machine: Machine, name: str, site: Mapping[str, object]) -> dict[str, int]:
    """Apply the role, and return its recap."""
    options = ("--inventory", "/root/inventory", "--limit", name, "--connection", "local", "--extra-vars")
    done = machine.call("ansible-playbook", *options, json.dumps(site), "/root/ansible/playbook.yml")
    recap = {word: int(value) for word, value in re.findall(r"(\w+)=(\d+)", done.stdout.partition("PLAY RECAP")[2])}
    assert recap, done.stdout + done.stderr
    assert recap["failed"] == (done.returncode != 0), done.stdout + done.stderr
    return recap


def states(machine: Machine) -> dict[str, set[str]]:
    """Return which units are enabled, and which are active."""
    asked = {"enabled": "is-enabled", "active": "is-active"}
    return {
        state: {unit for unit in OF_HEAD if machine.call("systemctl", verb, unit).stdout.strip() == state}
        for state, verb in asked.items()
    }


def not_green(machine: Machine) -> list[dict[str, str]]:
    findings = json.loads(machine.run("vispa-green", "doctor", "--json"))["findings"]
    return [finding for finding in findings if finding["level"] != "ok"]


def owner_of(machine: Machine, unit: str) -> int:
    """Return the number of the user as whom a service runs."""
    pid = machine.run("systemctl", "show", "--value", "--property=MainPID", unit).strip()
    return int(machine.run("stat", "--format=%u", f"/proc/{pid}"))


def nodes_in_ledger(machine: Machine) -> set[str]:
    rows = json.loads(machine.run("vispa-green", "ledger", "balance", "--json"))["nodes"]
    return {row["node"] for row in rows}


@pytest.mark.skipif(shutil.which("ansible-playbook") is None, reason="no ansible-playbook: deploy/setup.sh system")
def test_ansible_reads_the_role(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.write_text(INVENTORY)
    command = ["ansible-playbook", "--syntax-check", "--inventory", str(inventory), str(ANSIBLE / "playbook.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_second_time_changes_nothing(
    machine: Machine, machine_beside: Machine, packages: tuple[Path, Path]
) -> None:
    wanted = {"head": OF_HEAD, "n2": {AGENT}}
    machines = {"head": machine, "n2": machine_beside}
    for name, one in machines.items():
        bring(one, packages[1])
        first = play(one, name, of_site(name))
        assert (first["failed"], first["changed"] > 0) == (0, True)
        second = play(one, name, of_site(name))
        assert (second["failed"], second["changed"]) == (0, 0)
        assert states(one) == {"enabled": wanted[name], "active": wanted[name]}
        assert {owner_of(one, unit) for unit in wanted[name] if unit.endswith(".service")} == {UID}

    assert wait_until(lambda: nodes_in_ledger(machine) == {"head", "n2"}, 90), machine.run("journalctl", "-b")
    for unit, word in BY_TIMERS.items():
        machine.run("systemctl", "start", unit)
        assert word in machine.run("journalctl", "--output=cat", f"_SYSTEMD_UNIT={unit}", f"_UID={UID}")

    for one in machines.values():
        assert not_green(one) == []

    before = (machine.root / "etc/vispa-green/config.toml").read_text()
    broken = play(machine, "head", {**of_site("head"), "vispa_green_more": "[host]\nnames = 1\n"})
    assert broken["failed"] == 1
    assert (machine.root / "etc/vispa-green/config.toml").read_text() == before
    assert not_green(machine) == []
