"""The role on a machine with its own systemd: it does what the machine's group says, and a second time nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.machine import Machine
from lab.processes import wait_until

from tests.operations.site import CONFIG

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

ANSIBLE = Path(__file__).parents[2] / "deploy/ansible"
ON_HEAD = {"vispa-green-sync.service", "vispa-green-replan.timer"}
UNITS = {"vispa-green-agent.service", "vispa-green-prune.timer", *ON_HEAD}


def play(machine: Machine, config: str) -> dict[str, int]:
    """Apply the role, and return its recap."""
    more = json.dumps({"vispa_green_package": "/root/new.deb", "vispa_green_config": config, "vispa_green_uid": 642})
    done = machine.call(
        "ansible-playbook", "-i", "/root/inventory", "-c", "local", "-e", more, "/root/ansible/playbook.yml"
    )
    recap = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", done.stdout.partition("PLAY RECAP")[2])}
    assert recap, done.stdout + done.stderr
    recap["rc"] = done.returncode
    return recap


@pytest.mark.parametrize("group", ["vispa_green_head", "vispa_green_nodes"])
def test_a_second_time_changes_nothing(
    machine: Machine, tree: HostTree, packages: tuple[Path, Path], group: str
) -> None:
    shutil.copy(packages[1], machine.root / "root/new.deb")
    shutil.copytree(ANSIBLE, machine.root / "root/ansible")
    (machine.root / "root/inventory").write_text(f"[vispa_green_head]\n[vispa_green_nodes]\n[{group}]\nlocalhost\n")
    first = play(machine, CONFIG)
    assert (first["rc"], first["failed"]) == (0, 0)
    assert first["changed"] > 0
    second = play(machine, CONFIG)
    assert (second["rc"], second["failed"], second["changed"]) == (0, 0, 0)

    enabled = {unit for unit in UNITS if machine.call("systemctl", "is-enabled", unit).stdout.strip() == "enabled"}
    active = {unit for unit in UNITS if machine.call("systemctl", "is-active", unit).stdout.strip() == "active"}
    assert enabled == active == {"vispa-green-agent.service", *(ON_HEAD if group == "vispa_green_head" else ())}
    assert machine.run("id", "-u", "vispa-green").strip() == "642"
    assert wait_until((machine.root / "var/lib/vispa-green/ledger.sqlite").exists, 30)
    findings = json.loads(machine.run("vispa-green", "doctor", "--json"))["findings"]
    assert [finding for finding in findings if finding["level"] != "ok"] == []

    broken = play(machine, CONFIG.replace("interval_s", "intervals"))
    assert broken["failed"] == 1
    assert (machine.root / "etc/vispa-green/config.toml").read_text() == CONFIG
