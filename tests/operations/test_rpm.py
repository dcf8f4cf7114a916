"""The RPM: the same files as the Debian package, and scripts that a shell of such a machine runs.

It is installed by rpm itself into a Debian, since there is no Enterprise Linux to be had here: what that resolves of
dependencies is not tried.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lab.machine import Machine

CHECKOUT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="no rpmbuild: deploy/setup.sh full"),
]


def rpm(*words: str) -> str:
    return subprocess.run(["rpm", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def package() -> Path:
    done = subprocess.run([CHECKOUT / "deploy/rpm/build.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_it_brings_what_the_debian_package_brings(package: Path, packages: tuple[Path, Path]) -> None:
    listed = subprocess.run(["dpkg-deb", "--fsys-tarfile", packages[0]], capture_output=True, check=True).stdout
    names = (
        subprocess.run(["tar", "--list"], input=listed, capture_output=True, check=True).stdout.decode().split("\n")
    )
    of_deb = {name.removeprefix(".") for name in names if name and not name.endswith("/")}
    of_rpm = set(rpm("--query", "--list", "--package", str(package)).splitlines())
    differing = {name for name in of_deb - of_rpm if "dist-info" not in name}  # of another version, by name
    assert differing == set()
    assert rpm("--query", "--configfiles", "--package", str(package)).split() == ["/etc/vispa-green/config.toml"]
    assert "/usr/bin/python3." in rpm("--query", "--requires", "--package", str(package))


def test_it_installs_and_is_removed_but_for_the_account(machine: Machine, package: Path) -> None:
    options = ("--root", str(machine.root), "--dbpath", "/var/lib/rpm", "--nodeps")
    rpm(*options, "--upgrade", str(package))
    assert machine.run("vispa-green", "--version").startswith("vispa-green")
    assert machine.run("stat", "--format=%U %a", "/var/lib/vispa-green").split() == ["vispa-green", "750"]
    rpm(*options, "--erase", "vispa-green")
    assert not (machine.root / "opt/vispa-green").exists()
    assert (machine.root / "var/lib/vispa-green").exists()
