"""A machine to install on, and the packages of this version and of the next."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.hosttree import HostTree
from lab.machine import Machine, debian, missing

CHECKOUT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".cache", "dist", "__pycache__", ".*_cache", ".hypothesis")


def build(checkout: Path) -> Path:
    """Build the package of a checkout."""
    done = subprocess.run([checkout / "deploy/deb/build.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return max((checkout / "dist").glob("*.deb"), key=lambda path: path.stat().st_mtime_ns)


def copied(place: Path, version: str) -> Path:
    """Copy this checkout, as another version."""
    shutil.copytree(CHECKOUT, place, ignore=LEFT_OUT, symlinks=True)
    (place / ".venv").symlink_to(CHECKOUT / ".venv")
    for name, line in (("pyproject.toml", "version"), ("vispa_green/__init__.py", "__version__")):
        text = (place / name).read_text()
        changed = re.sub(rf'^{line} = ".*"$', f'{line} = "{version}"', text, count=1, flags=re.MULTILINE)
        assert changed != text
        (place / name).write_text(changed)
    return place


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The package of version 0.1.1, and that of 0.1.2, whose ledger has one table more."""
    place = tmp_path_factory.mktemp("versions")
    old, new = copied(place / "old", "0.1.1"), copied(place / "new", "0.1.2")
    steps = sorted((new / "vispa_green/ledgers/_sqlite/migrations").glob("*.sql"))
    next_step = steps[-1].with_name(f"{len(steps) + 1:04d}_next.sql")
    next_step.write_text("CREATE TABLE of_the_next_version (word TEXT NOT NULL);\n")
    return build(old), build(new)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A Debian that runs, with nothing of ours."""
    made = prepared(tmp_path / "machine")
    with made.booted():
        yield made
    shutil.rmtree(made.root)


@pytest.fixture
def machine_beside(tmp_path: Path, machine: Machine) -> Iterator[Machine]:
    """A second one, on the network of the first, with the same key of munge."""
    made = prepared(tmp_path / "beside")
    with made.booted(beside=machine):
        yield made
    shutil.rmtree(made.root)


def prepared(root: Path) -> Machine:
    """Unpack a Debian, or skip where none can run."""
    if reason := missing():
        pytest.skip(reason)
    return Machine(root, debian(CHECKOUT / ".cache"))


@pytest.fixture
def tree(machine: Machine) -> HostTree:
    """Hardware for the machine."""
    return with_hardware(machine)


def with_hardware(machine: Machine) -> HostTree:
    """Put hardware below the machine's /srv/host: counters that are root's, and a job."""
    made = HostTree(machine.root / "srv/host", packages=1)
    made.start_job(7, uid=1000, cpus="0-1")
    made.set_process(4711, {"SLURM_JOB_ID": "7"}, job_id=7, uid=1000)
    return made
