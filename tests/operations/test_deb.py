"""The package on a machine with its own systemd: installed, run, upgraded, taken back, removed as documented."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.machine import Machine
from lab.processes import wait_until

from tests.operations.site import CONFIG

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

PAGE = Path(__file__).parents[2] / "docs/operations.md"
AGENT = "vispa-green-agent.service"
CAPABILITIES = 1 << 2 | 1 << 19  # CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE: linux/capability.h


def documented(heading: str) -> list[str]:
    """Return the commands that the page has under a heading, a block each."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def do(machine: Machine, commands: str) -> str:
    names = "OLD=/root/old.deb NEW=/root/new.deb BACKUP=/var/lib/vispa-green/backup.sqlite"
    return machine.run("sh", "-ec", f"export {names}\n{commands}")


def install(machine: Machine, packages: tuple[Path, Path]) -> None:
    for package, name in zip(packages, ("old.deb", "new.deb"), strict=True):
        shutil.copy(package, machine.root / "root" / name)
    machine.run("dpkg", "-i", "/root/old.deb")
    (machine.root / "etc/vispa-green/config.toml").write_text(CONFIG)


def measured_uj(machine: Machine) -> int:
    """What the ledger has measured; its balance is right, or the command fails."""
    rows = json.loads(machine.run("vispa-green", "ledger", "balance", "--json"))["nodes"]
    return sum(row["measured_uj"] for row in rows)


def consume(machine: Machine, tree: HostTree, joules: int) -> None:
    """Let energy be consumed, and wait until the ledger has it."""
    before = measured_uj(machine)
    tree.add_energy("package-0", joules * 1_000_000)
    for counter in tree.sysfs_root.rglob("energy_uj"):
        counter.chmod(0o400)
    assert wait_until(lambda: measured_uj(machine) == before + joules * 1_000_000, 30), machine.run(
        "journalctl", "-b"
    )


def start(machine: Machine) -> None:
    machine.run("systemctl", "enable", "--now", AGENT)
    assert wait_until((machine.root / "var/lib/vispa-green/ledger.sqlite").exists, 30)


def test_an_agent_runs_under_its_own_user(machine: Machine, tree: HostTree, packages: tuple[Path, Path]) -> None:
    install(machine, packages)
    assert machine.run("vispa-green", "--version").split()[-1] == "0.1.1"
    timers = [f"vispa-green-{name}.timer" for name in ("replan", "prune", "weekly")]
    for unit in (AGENT, "vispa-green-sync.service", *timers):
        assert machine.call("systemctl", "is-enabled", unit).stdout.strip() == "disabled"
        assert machine.call("systemctl", "is-active", unit).stdout.strip() == "inactive"
    start(machine)
    consume(machine, tree, 250)
    pid = machine.run("systemctl", "show", "--value", "--property=MainPID", AGENT).strip()
    status = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").splitlines())
    assert set(status["Uid"].split()) == {machine.run("id", "-u", "vispa-green").strip()}
    assert [int(status[name], 16) for name in ("CapEff", "CapBnd")] == [CAPABILITIES] * 2
    assert status["NoNewPrivs"] == "1"
    assert "accounts n1" in machine.run("systemctl", "status", AGENT)
    findings = json.loads(machine.run("vispa-green", "doctor", "--json"))["findings"]
    assert [finding for finding in findings if finding["level"] != "ok"] == []


def test_timers_call_what_they_should(machine: Machine, packages: tuple[Path, Path]) -> None:
    install(machine, packages)
    config = machine.root / "etc/vispa-green/config.toml"
    config.write_text(
        CONFIG.replace("[ledger]", "[ledger]\nkeep_raw_days = 30") + '[meters]\nenabled = ["estimate"]\n'
    )
    start(machine)
    machine.run("systemctl", "enable", "--now", "vispa-green-prune.timer")
    assert "vispa-green-prune.timer" in machine.run("systemctl", "list-timers")
    machine.run("systemctl", "start", "vispa-green-prune.service")
    assert "took out 0 intervals" in machine.run("journalctl", "-u", "vispa-green-prune.service")


def test_upgrade_and_rollback_keep_the_account(machine: Machine, tree: HostTree, packages: tuple[Path, Path]) -> None:
    install(machine, packages)
    start(machine)
    consume(machine, tree, 100)
    for commands in documented("Back up"):
        do(machine, commands)
    consume(machine, tree, 10)
    for commands in documented("Upgrade"):
        do(machine, commands)
    assert machine.run("vispa-green", "--version").split()[-1] == "0.1.2"
    assert machine.run("systemctl", "is-active", AGENT).strip() == "active"
    assert (machine.root / "etc/vispa-green/config.toml").read_text() == CONFIG
    consume(machine, tree, 1)
    assert measured_uj(machine) == 111_000_000

    back, restored, started = documented("Roll back")
    do(machine, back)
    assert machine.run("vispa-green", "--version").split()[-1] == "0.1.1"
    refused = machine.call("vispa-green", "ledger", "verify")
    assert refused.returncode == 1
    assert re.search(r"has schema \d+, this program knows \d+", refused.stderr)
    do(machine, restored)
    do(machine, started)
    assert measured_uj(machine) == 100_000_000
    consume(machine, tree, 1)
    machine.run("vispa-green", "ledger", "verify")


def test_what_is_removed_leaves_the_account(machine: Machine, tree: HostTree, packages: tuple[Path, Path]) -> None:
    install(machine, packages)
    start(machine)
    consume(machine, tree, 5)
    machine.run("dpkg", "--remove", "vispa-green")
    assert machine.call("systemctl", "is-active", AGENT).stdout.strip() == "inactive"
    assert (machine.root / "etc/vispa-green/config.toml").exists()
    machine.run("dpkg", "--purge", "vispa-green")
    assert not (machine.root / "etc/vispa-green/config.toml").exists()
    assert not (machine.root / "opt/vispa-green").exists()
    assert (machine.root / "var/lib/vispa-green/ledger.sqlite").exists()


def test_nothing_names_the_place_where_it_was_built(packages: tuple[Path, Path], tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", packages[0], tmp_path], check=True)
    pattern = f"{re.escape(tempfile.gettempdir())}/tmp[.]|{re.escape(str(packages[0].parents[2]))}"
    found = subprocess.run(["grep", "-rlE", pattern, tmp_path / "opt"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "")
