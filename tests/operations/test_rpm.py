"""The RPM: what the Debian package brings, installed by rpm itself, run by systemd, and removed but for the account.

It is installed into a Debian, since there is no Enterprise Linux to be had here: how dnf resolves what it requires,
and whether SELinux lets it run, is not tried.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from lab.processes import wait_until

from tests.operations.conftest import prepared, with_hardware
from tests.operations.site import CONFIG

CHECKOUT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="no rpmbuild: deploy/setup.sh full"),
]


def rpm(*words: str) -> str:
    return subprocess.run(["rpm", *words], capture_output=True, text=True, check=True).stdout


def without_version(paths: Iterable[str]) -> set[str]:
    return {re.sub(r"/vispa_green-[\d.]+\.dist-info/", "/vispa_green-dist-info/", path) for path in paths}


@pytest.fixture(scope="module")
def package() -> Path:
    done = subprocess.run([CHECKOUT / "deploy/rpm/build.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_it_brings_what_the_debian_package_brings(package: Path, packages: tuple[Path, Path]) -> None:
    command = ["dpkg-deb", "--contents", str(packages[0])]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    of_deb = [line.split(maxsplit=5)[5] for line in listed.splitlines() if not line.startswith("d")]
    form = "[%{FILEMODES:perms} %{FILENAMES}\n]"
    of_rpm = [line.split(" ", 1) for line in rpm("-qp", "--queryformat", form, str(package)).splitlines()]
    assert without_version(path for perms, path in of_rpm if not perms.startswith("d")) == without_version(
        path.partition(" -> ")[0].removeprefix(".") for path in of_deb
    )
    assert rpm("-qp", "--configfiles", str(package)).split() == ["/etc/vispa-green/config.toml"]
    assert re.search(r"^/usr/bin/python3\.\d+$", rpm("-qp", "--requires", str(package)), re.MULTILINE)


def test_it_runs_and_leaves_the_account(tmp_path: Path, package: Path) -> None:
    machine = prepared(tmp_path / "machine")
    with_hardware(machine)
    options = ("--root", str(machine.root), "--dbpath", "/var/lib/rpm", "--nodeps")
    rpm(*options, "--upgrade", str(package))
    (machine.root / "etc/vispa-green/config.toml").write_text(CONFIG)
    ledger = machine.root / "var/lib/vispa-green/ledger.sqlite"
    with machine.booted():
        assert machine.run("vispa-green", "--version").startswith("vispa-green")
        machine.run("systemctl", "enable", "--now", "vispa-green-agent.service")
        assert wait_until(ledger.exists, 30)
        findings = json.loads(machine.run("vispa-green", "doctor", "--json"))["findings"]
        assert [finding for finding in findings if finding["level"] != "ok"] == []
    rpm(*options, "--erase", "vispa-green")
    assert not (machine.root / "opt/vispa-green").exists()
    assert (machine.root / "etc/vispa-green/config.toml.rpmsave").read_text() == CONFIG
    assert ledger.exists()
    shutil.rmtree(machine.root)
